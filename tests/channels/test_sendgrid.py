"""SendGrid: mails in both modes, events, signatures as its SDK checks them, and mail/send."""

import base64
import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook

from ingest.channels.base import (
    Account,
    Answer,
    Call,
    HttpRequest,
    InvalidSignatureError,
    OtherItem,
    ReceiptItem,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.mail.sendgrid import ADAPTER, SIGNATURE, TIMESTAMP, WINDOW
from tests.channels.mail_factories import (
    NOW,
    ecdsa_key_pair,
    items_of,
    make_account,
    make_call,
    make_mail,
    only_message,
    rendered,
)
from tests.channels.recorded import MAIL, needs_recorded

PUBLIC, PRIVATE = ecdsa_key_pair()
SDK = EventWebhook(PUBLIC)
ACCOUNT = make_account(
    "sendgrid",
    secrets={
        "public_key": [ecdsa_key_pair()[0], PUBLIC],
        "replay_key": [PRIVATE],
        "api_key": ["SG.x"],
    },
)


def form(**fields: str | bytes) -> bytes:
    parts = []
    for name, value in fields.items():
        disposition = f'form-data; name="{name.replace("__", "-")}"'
        if name.startswith("attachment1"):
            disposition += '; filename="a.pdf"\r\nContent-Type: application/pdf'
        raw = value if isinstance(value, bytes) else value.encode()
        parts.append(
            f"--xYzZY\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + raw + b"\r\n"
        )
    return b"".join(parts) + b"--xYzZY--\r\n"


def make_signed(body: bytes, at: int = NOW, content_type: str = "") -> Call:
    return ADAPTER.sign(body, content_type, ACCOUNT, at)


def sdk_accepts(call: Call) -> bool:
    """Return the verdict of the SDK; any exception is a no."""
    try:
        payload = call.body.decode()
        return bool(SDK.verify_signature(payload, call.headers[SIGNATURE], call.headers[TIMESTAMP]))
    except Exception:
        return False


def we_accept(call: Call, account: Account = ACCOUNT, now: int = NOW) -> bool:
    try:
        ADAPTER.verify(call, account, now)
    except InvalidSignatureError:
        return False
    return True


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


def with_headers(call: Call, **changed: str) -> Call:
    headers = {**call.headers, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return Call(method="POST", url="", headers=headers, query={}, body=call.body)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_our_verdict_is_that_of_the_sdk_and_one_changed_bit_is_rejected(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    call = make_signed(
        "".join(chance.choices('[{"é👍":1,\n }]', k=chance.randrange(1, 60))).encode()
    )
    assert we_accept(call)
    assert sdk_accepts(call)
    bit = chance.randrange(10_000)
    body = Call(method="POST", url="", headers=call.headers, query={}, body=flipped(call.body, bit))
    signature = flipped(call.headers[SIGNATURE].encode(), bit).decode("latin-1")
    time = flipped(call.headers[TIMESTAMP].encode(), bit).decode("latin-1")
    changed = with_headers(call)
    changed.headers[SIGNATURE] = signature  # type: ignore[index]
    late = with_headers(call)
    late.headers[TIMESTAMP] = time  # type: ignore[index]
    assert not sdk_accepts(body)
    assert not any(we_accept(each) for each in (body, changed, late))


@settings(max_examples=300, deadline=None)
@given(signature=st.text(max_size=100), time=st.text(max_size=14), body=st.binary(max_size=40))
def test_whatever_the_headers_have_a_call_without_a_signature_is_invalid(
    signature: str, time: str, body: bytes
) -> None:
    headers = {SIGNATURE: signature, TIMESTAMP: time}
    call = Call(method="POST", url="", headers=headers, query={}, body=body)
    assert not we_accept(call)
    assert not we_accept(with_headers(make_signed(body), **{SIGNATURE: signature}))


def test_the_window_is_one_day_in_both_directions() -> None:
    for offset in (0, WINDOW, -WINDOW):
        assert we_accept(make_signed(b"[]", NOW + offset))
        assert not offset or not we_accept(
            make_signed(b"[]", NOW + offset + offset // abs(offset) * 1_000_000)
        )


def test_without_a_usable_key_no_call_is_accepted() -> None:
    for keys in ([], [""], ["!"], [PRIVATE], [base64.b64encode(b"x").decode()]):
        assert not we_accept(
            make_signed(b"[]"), make_account("sendgrid", secrets={"public_key": keys})
        )
    unsigned = ADAPTER.sign(b"[]", "", make_account("sendgrid"), NOW)
    assert not we_accept(unsigned)


def test_a_body_that_is_no_text_can_be_signed_too() -> None:
    call = make_signed(form(email=make_mail("Größe".encode("latin-1"))))
    assert we_accept(call)
    assert not sdk_accepts(call)  # it takes text only


def test_a_parsed_mail_is_read() -> None:
    body = form(
        headers="Message-ID: <1@example.org>\nDate: Mon, 4 May 2026 10:00:00 +0200\nReferences: <0@x>\nSubject: old",
        to="help@shop.example",
        subject="Größe".encode("latin-1"),
        text="Hi 👍\r\n\r\nOn Mon, 4 May 2026 at 09:00, Shop <help@shop.example> wrote:\r\n> x",
        charsets='{"subject":"iso-8859-1","text":"UTF-8"}',
        envelope='{"to":["help+c-aaaaaaaaaaaaaaaa@shop.example"],"from":"bounce@example.org"}',
        attachments="1",
        attachment1=b"%PDF\r\n\r\n--",
        attachment__info='{"attachment1":{"filename":"bill.pdf","type":"application/pdf","content-id":"c1"}}',
        **{"from": "Lovelace, Ada <ada@example.org>"},
    )
    call = make_signed(body)
    assert call.headers["content-type"] == "multipart/form-data; boundary=xYzZY"
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert (message.provider_id, message.text) == ("<1@example.org>", "Hi 👍")
    assert message.author_name == "Lovelace, Ada"
    assert message.payload["email"]["subject"] == "Größe"
    assert message.thread == ("<0@x>", "token:aaaaaaaaaaaaaaaa")
    (file,) = message.attachments
    assert (file.name, file.size, file.url) == ("bill.pdf", 10, "cid:c1")


def test_a_raw_mail_is_read_and_a_null_sender_is_automatic() -> None:
    body = form(email=make_mail("Hi"), envelope='{"from":""}')
    message = only_message(items_of(ADAPTER, make_signed(body), ACCOUNT))
    assert (message.text, message.payload["automatic"]) == ("Hi", "null_return_path")


def event(kind: str, **rest: Any) -> dict[str, Any]:
    return {
        "email": "ada@example.org",
        "timestamp": 1_780_000_000,
        "event": kind,
        "sg_event_id": f"id-{kind}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        **rest,
    }


def test_every_event_of_a_body_is_read_and_a_bad_one_costs_no_other() -> None:
    events = [
        event("delivered", convolake_reference="send-1"),
        event("bounce", status="5.0.0", reason="550 no such user"),
        event("dropped", reason="Bounced Address"),
        7,
        event("deferred"),
        event("open", sg_machine_open=True),
        event("click", url="https://x.example"),
        event("spamreport"),
        {"event": "open"},
    ]
    items = items_of(ADAPTER, make_call(json.dumps(events).encode()), ACCOUNT)
    receipts = [each for each in items if isinstance(each, ReceiptItem)]
    assert [each.status for each in receipts] == ["delivered", "failed", "failed"]
    assert {each.message for each in receipts} == {"14c5d75ce93.dfd.64b469"}
    assert receipts[0].client_reference == "send-1"
    assert receipts[0].happened_at == NOW
    assert (receipts[1].code, receipts[1].reason) == ("5.0.0", "550 no such user")
    others = [each.kind for each in items if isinstance(each, OtherItem)]
    assert others == ["deferred", "open", "click", "spamreport"]
    assert sum(isinstance(each, UnreadableItem) for each in items) == 2


def test_a_late_bounce_without_sg_message_id_names_the_message_id() -> None:
    late = event("bounce", sg_message_id=None, **{"smtp-id": "<convolake.send-1@shop.example>"})
    (item,) = items_of(ADAPTER, make_call(json.dumps([late]).encode()), ACCOUNT)
    assert isinstance(item, ReceiptItem)
    assert item.message == "<convolake.send-1@shop.example>"


PIECES = (
    form(email=make_mail()),
    form(headers="From: a@b"),
    b'[{"event":1}]',
    b"[",
    b"{}",
    b"[" * 2000,
    b"a=b&c",
)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_whatever_a_body_has_only_one_error_is_raised(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    body = chance.choice(PIECES) + chance.randbytes(chance.randrange(9))
    body = (
        flipped(body, chance.randrange(9_999))
        if chance.random() < 0.5
        else body[chance.randrange(20) :]
    )
    kind = chance.choice(
        ("", "multipart/form-data; boundary=xYzZY", "multipart/form-data; boundary=(")
    )
    with suppress(UnreadableCallError):
        items_of(ADAPTER, make_call(body, kind), ACCOUNT)


def test_a_message_becomes_one_call_of_mail_send() -> None:
    request = rendered(ADAPTER, ACCOUNT, in_reply_to="<1@example.org>", subject="An order")
    assert isinstance(request, HttpRequest)
    assert request.url == "https://api.sendgrid.com/v3/mail/send"
    assert dict(request.headers)["authorization"] == "Bearer SG.x"
    content = json.loads(request.body)
    (person,) = content["personalizations"]
    assert person["to"] == [{"email": "ada@example.org", "name": "Ada"}]
    assert person["custom_args"] == {"convolake_reference": "send-1"}
    assert content["subject"] == "Re: An order"
    assert content["content"] == [{"type": "text/plain", "value": "Good day"}]
    assert content["headers"]["Message-ID"] == "<convolake.send-1@shop.example>"
    assert content["headers"]["References"] == "<1@example.org>"


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (202, {"x-message-id": "abc"}, Sent("abc")),
        (429, {"retry-after": "7"}, Retry("there are too many requests", 7)),
        (401, {}, Retry("the credentials are not accepted")),
        (400, {}, Rejected("the provider rejected the message with status 400", "400")),
        (413, {}, Rejected("the provider rejected the message with status 413", "413")),
        (500, {}, Unknown("the provider's server failed with status 500")),
    ],
)
def test_answers_mean_what_the_documentation_says(
    status: int, headers: dict[str, str], expected: object
) -> None:
    assert ADAPTER.interpret(Answer(status=status, headers=headers, body=b"{}")) == expected


@needs_recorded
@pytest.mark.parametrize(
    ("name", "subject", "text", "sender"),
    [
        ("sendgrid_default_multipart.txt", "Testing non-raw", "Hello Twilio SendGrid!", "test@example.com"),
        ("sendgrid_raw_multipart.txt", "Inbound Parse Test Raw Data", "Hello Twilio SendGrid!", "test@example.com"),
        ("sendgrid_inbound_basics_1.json", "Test subject", "Test body plain", "from+test@example.org"),
    ],
)  # fmt: skip
def test_real_posts_are_read(name: str, subject: str, text: str, sender: str) -> None:
    call = make_signed((MAIL / "inbound_parse" / name).read_bytes(), content_type="text/plain")
    assert we_accept(call)
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert message.payload["email"]["subject"] == subject
    assert message.text == text
    assert message.person is not None
    assert message.person.addresses[0].value == sender
