"""The omnichannel story with bodies of Meta and of mail: each message is on its own channel in every place."""

import copy
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

import polars as pl
import pytest
from aiosmtpd.controller import Controller

from dashboards.hidden_characters import reveal
from ingest.channels.addresses import whatsapp
from ingest.manifest import read_manifest
from tests.api_server import Installation
from tests.channels.mail_factories import OUR_ADDRESS
from tests.channels.meta_calls import real_bodies
from tests.channels.omnichannel import (
    ADA,
    ANSWERED,
    ASKED,
    BOTH,
    IDS,
    SETTLED,
    TAKEN_OVER,
    Customer,
    Line,
    Mail,
    Omnichannel,
    whatsapp_text,
)
from tests.channels.recorded import recorded
from tests.channels.stand_ins.meta import meta_stand_in
from tests.dashboard_app import show_page
from tests.factories import START, Clock, Record, free_port
from tests.test_mail_client import Postbox

pytestmark = pytest.mark.allows_loopback
AT = int(START.timestamp())
ROLES = ("customer", "bot", "agent")


def own_customer(ids: dict[str, str]) -> Customer:
    return Customer(whatsapp_text(ASKED, AT, ids, "1"), ASKED, AT, ids)


def recorded_customers() -> Iterator[Customer]:
    """Yield each customer of the recorded texts, by the first; then without the number, if an id is left.

    Placeholders such as `PHONE_NUMBER` are no customers: no answer reaches them.
    """
    seen = set()
    for path in recorded("whatsapp_cloud"):
        for raw in real_bodies(path):
            found = read_customer(raw)
            if found is not None and found.ids["from"] not in seen:
                seen.add(found.ids["from"])
                yield found
                if "from_user_id" in found.ids:
                    yield without_number(found)


def read_customer(raw: bytes) -> Customer | None:
    """Return the customer of a body that is one text from one number, else None."""
    try:
        body = json.loads(raw)
        value = body["entry"][0]["changes"][0]["value"]
        (message,), (who,) = value["messages"], value["contacts"]
        ids = {"from": message["from"], "from_user_id": who.get("user_id")}
        text, at = message["text"]["body"], int(message["timestamp"])
        number_id = value["metadata"]["phone_number_id"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    known = {name: each for name, each in ids.items() if each}
    is_number = whatsapp(message["from"]).kind == "phone"
    return Customer(body, text, at, known, number_id) if is_number else None


def without_number(given: Customer) -> Customer:
    """Return a customer who hides the number: Meta leaves out `from` and `wa_id` then."""
    body = copy.deepcopy(given.opening)
    value = body["entry"][0]["changes"][0]["value"]
    (message,), (who,) = value["messages"], value["contacts"]
    del message["from"], who["wa_id"]
    message["from_user_id"] = who["user_id"]
    return given._replace(opening=body, ids={"from_user_id": who["user_id"]})


ADDRESSED = re.compile(
    rb"^(from|to|cc|reply-to|sender|date|return-path|delivered-to|x-original-to):.*\n([ \t].*\n)*",
    re.IGNORECASE | re.MULTILINE,
)


def recorded_mails() -> Iterator[Mail]:
    """Yield recorded mails of one plain text, one of each charset: with the story's addresses, without their date."""
    seen = set()
    for path in recorded("email", "*.eml"):
        head, gap, body = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
        given = BytesParser(policy=compat32).parsebytes(head + gap + body)
        text = plain_text(given)
        charset = given.get_content_charset()
        if text is not None and given["Message-ID"] is not None and charset not in seen:
            seen.add(charset)
            kept = ADDRESSED.sub(b"", head + b"\n")
            ours = f"From: Ada <{ADA}>\nTo: {OUR_ADDRESS}\n".encode()
            name = str(given["Message-ID"]).strip().strip("<>")
            yield Mail(ours + kept + b"\n" + body, text, f"<{name}>")


def plain_text(mail: Message) -> str | None:
    """Return the text of a mail that is all new, in a known charset; None for another one."""
    payload = mail.get_payload(decode=True)
    if mail.get_content_type() != "text/plain" or not isinstance(payload, bytes):
        return None
    try:
        text = payload.decode(mail.get_content_charset("ascii")).replace("\r\n", "\n").strip()
    except (LookupError, UnicodeError):
        return None
    is_quote = re.search(r"^\s*>|^-|wrote|\bfrom\b", text, re.IGNORECASE | re.MULTILINE)
    return None if is_quote or not text else text


@pytest.fixture
def customer(request: pytest.FixtureRequest) -> Customer:
    given: Customer = request.param
    return given


@pytest.fixture
def clock(customer: Customer) -> Clock:
    """Begin when the customer's first message is a moment old."""
    return Clock(datetime.fromtimestamp(customer.at + 3, UTC))


@pytest.fixture
def played(
    installation: Installation,
    customer: Customer,
    fast_polling: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Omnichannel]:
    monkeypatch.setattr("ingest.api.channel_intake.POLL_SECONDS", 0.02)
    postbox = Postbox()
    mail = Controller(postbox, hostname="127.0.0.1", port=free_port())
    mail.start()
    try:
        with meta_stand_in() as meta:
            story = Omnichannel(installation, meta, postbox, mail.port, customer)
            story.play()
            yield story
    finally:
        mail.stop()


def check_api(story: Omnichannel) -> None:
    """One conversation of one contact with every address; the bot's message is read."""
    said = [
        Line(*(each.get(name) for name in Line._fields))
        for each in story.get(f"{story.path}/events", limit="100")["items"]
        if each["event_type"] == "message.created"
    ]
    assert said == story.lines
    assert story.receipts(story.answer_id) == ["read"]
    assert story.get("/v1/merge-proposals")["items"] == []
    assert story.get("/v1/rejected")["items"] == []
    addresses = {
        (each["kind"], each["address"])
        for each in story.get(f"/v1/contacts/{story.contact_id}")["addresses"]
    }
    ids = story.customer.ids
    assert ("email", ADA) in addresses
    assert ("from" in ids) == ("phone" in {kind for kind, _ in addresses})
    assert ("from_user_id" not in ids) or ("bsuid", ids["from_user_id"]) in addresses


def check_sent(story: Omnichannel) -> None:
    """Meta and the mail server took each answer once; the mail answers the customer's own."""
    assert [each.body["text"]["body"] for each in story.meta.taken] == [ANSWERED, TAKEN_OVER]
    to = {each.body.get("to") or each.body["recipient"] for each in story.meta.taken}
    assert to <= set(story.customer.ids.values())
    assert story.sent_mail.get_content().replace("\r\n", "\n") == f"{SETTLED}\n"
    assert story.sent_mail["In-Reply-To"] == story.customer.mail.message_id
    assert story.postbox.taken[0].rcpt_tos == [ADA]


def check_record(story: Omnichannel) -> Record:
    """Seal and load; Parquet and warehouse have each message as it was said."""
    record = Record(story.api.settings, story.api.clock)
    record.seal()
    record.load()
    lake = record.settings.lake_path
    rows = pl.concat([pl.read_parquet(lake / each.path) for each in read_manifest(lake)[0]])
    said = rows.filter(pl.col("event_type") == "message.created").sort("sequence")
    assert [Line(*each) for each in said.select(Line._fields).iter_rows()] == story.lines
    found = record.query("select channel, participant_role, text from messages order by sequence")
    assert [tuple(each.values()) for each in found] == [
        (each.channel, each.participant_role, each.text) for each in story.lines
    ]
    accounts = record.query(
        "select channel_account from events where event_type = 'message.created' order by sequence"
    )
    assert [each["channel_account"] for each in accounts] == [
        each.channel_account for each in story.lines
    ]
    (answer,) = record.query(
        f"select delivered_at, read_at from messages where message_id = '{story.answer_id}'"
    )
    assert None not in answer.values()
    assert len(record.query("from conversations")) == 1
    return record


def check_dashboard(story: Omnichannel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transcript shows each text, hidden characters escaped, below its author and channel."""
    monkeypatch.setenv("CONVOLAKE_DATA", str(story.api.settings.data))
    conversation_id = story.path.rpartition("/")[2]
    app = show_page("conversations", conversation=conversation_id, unmasked="yes")
    names = {"whatsapp": "WhatsApp", "email": "Email"}
    shown = iter([each.value for each in app.text])
    for line in story.lines:
        assert any(each.endswith(f" · {names[line.channel]}") for each in shown), line
        assert next(shown) == reveal(line.text)
    badges = [each.value for each in app.markdown if "badge[" in each.value]
    roles = [each.partition("[")[2].rstrip("]").lower() for each in badges]
    assert [each for each in roles if each in ROLES] == [
        each.participant_role for each in story.lines
    ]


CASES = [
    pytest.param(own_customer(BOTH), id="with a number at first"),
    pytest.param(own_customer(IDS), id="never with a number"),
    *(
        pytest.param(
            each._replace(mail=mail),
            id=f"recorded, {'with' if 'from' in each.ids else 'never with'} a number, mail {number}",
            marks=pytest.mark.long,
        )
        for each in recorded_customers()
        for number, mail in enumerate(recorded_mails(), 1)
    ),
]


@pytest.mark.parametrize("customer", CASES, indirect=True)
def test_one_person_on_whatsapp_and_by_mail_is_one_conversation_in_every_place(
    played: Omnichannel, monkeypatch: pytest.MonkeyPatch, audit_api: Installation
) -> None:
    check_api(played)
    check_sent(played)
    check_record(played)
    for name, value in audit_api.environment.items():
        monkeypatch.setenv(name, value)
    check_dashboard(played, monkeypatch)
