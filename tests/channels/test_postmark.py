"""Postmark: inbound mail, webhooks, the password in the URL, and the Email API with its error codes."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
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
)
from ingest.channels.mail.postmark import ADAPTER
from tests.channels.mail_factories import (
    NOW,
    items_of,
    make_account,
    make_call,
    make_mail,
    only_message,
    rendered,
)
from tests.channels.recorded import MAIL, needs_recorded

ACCOUNT = make_account(
    "postmark", secrets={"webhook_password": ["open"], "server_token": ["token"]}
)


def make_json(**fields: Any) -> Call:
    return make_call(json.dumps(fields).encode(), "application/json")


INBOUND: dict[str, Any] = {
    "FromFull": {"Email": "ada@example.org", "Name": "Lovelace, Ada", "MailboxHash": ""},
    "ToFull": [{"Email": "help@shop.example", "Name": "", "MailboxHash": ""}],
    "Subject": "An order",
    "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
    "Date": "Mon, 4 May 2026 10:00:00 +0200",
    "TextBody": "Hi 👍",
    "HtmlBody": "",
    "Headers": [{"Name": "Message-ID", "Value": "<1@example.org>"}, {"Name": "References", "Value": "<0@x>"}, 7, {}],
    "Attachments": [{"Name": "a.png", "ContentType": "image/png", "ContentLength": 3, "ContentID": "c1"}, 7],
}  # fmt: skip


def test_an_inbound_mail_is_read() -> None:
    message = only_message(items_of(ADAPTER, make_json(**INBOUND), ACCOUNT))
    assert (message.provider_id, message.text) == ("<1@example.org>", "Hi 👍")
    assert message.author_name == "Lovelace, Ada"
    assert message.thread == ("<0@x>",)
    assert message.happened_at == 1_777_881_600_000_000
    assert (message.attachments[0].name, message.attachments[0].url) == ("a.png", "cid:c1")


def test_a_mail_without_a_message_id_has_that_of_postmark() -> None:
    message = only_message(items_of(ADAPTER, make_json(**{**INBOUND, "Headers": []}), ACCOUNT))
    assert message.provider_id == f"<{INBOUND['MessageID']}@inbound.postmarkapp.com>"


def test_the_raw_mail_is_used_where_json_loses_no_byte() -> None:
    raw = make_mail("Raw").decode()
    assert (
        only_message(items_of(ADAPTER, make_json(**INBOUND, RawEmail=raw), ACCOUNT)).text == "Raw"
    )
    damaged = make_mail("R\ufffdw").decode()
    assert (
        only_message(items_of(ADAPTER, make_json(**INBOUND, RawEmail=damaged), ACCOUNT)).text
        == "Hi 👍"
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"RecordType": "Delivery", "DeliveredAt": "2026-05-28T20:26:40.9070259Z", "Recipient": "ada@example.org"}, "delivered"),
        ({"RecordType": "Bounce", "ID": 4, "Type": "HardBounce", "TypeCode": 1, "Description": "no user", "BouncedAt": "x"}, "failed"),
        ({"RecordType": "Bounce", "ID": 4, "Type": "SoftBounce", "TypeCode": 4096}, "failed"),
        ({"RecordType": "Bounce", "ID": 4, "Type": "Transient", "TypeCode": 2}, None),
        ({"RecordType": "Bounce", "ID": 4, "Type": "AutoResponder", "TypeCode": 32}, None),
        ({"RecordType": "Open", "FirstOpen": True, "ReceivedAt": "2026-05-28T20:26:40Z"}, None),
        ({"RecordType": "Click"}, None),
        ({"RecordType": "Bounce", "ID": [], "Type": []}, None),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "ID": 5}, None),
        ({"RecordType": "SubscriptionChange"}, None),
        ({"RecordType": "Something New"}, None),
    ],
)  # fmt: skip
def test_webhooks_are_receipts_where_a_mail_has_arrived_or_never_will(
    fields: dict[str, Any], status: str | None
) -> None:
    call = make_json(**fields, MessageID="m-1", Metadata={"convolake_reference": "send-1"})
    (item,) = items_of(ADAPTER, call, ACCOUNT)
    if status is None:
        assert isinstance(item, OtherItem)
        return
    assert isinstance(item, ReceiptItem)
    assert (item.message, item.status, item.client_reference) == ("m-1", status, "send-1")
    if "TypeCode" in fields:
        assert item.code == str(fields["TypeCode"])


def test_a_webhook_that_is_repeated_has_the_same_id_and_another_one_has_another() -> None:
    def key(**fields: Any) -> str:
        (item,) = items_of(ADAPTER, make_json(MessageID="m", **fields), ACCOUNT)
        assert isinstance(item, OtherItem | ReceiptItem)
        return item.provider_id

    first = key(RecordType="Open", ReceivedAt="2026-05-28T20:26:40Z")
    assert first == key(RecordType="Open", ReceivedAt="2026-05-28T20:26:40Z", UserAgent="x")
    assert first != key(RecordType="Open", ReceivedAt="2026-05-28T20:26:41Z")
    assert first != key(RecordType="Delivery", DeliveredAt="2026-05-28T20:26:40Z")


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_only_the_password_opens_and_only_one_error_is_raised(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    body = bytearray(
        json.dumps(INBOUND if chance.random() < 0.7 else {"RecordType": "Bounce", "ID": 1}).encode()
    )
    for _ in range(chance.randrange(5)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    call = ADAPTER.sign(bytes(body), "", ACCOUNT, NOW)
    ADAPTER.verify(call, ACCOUNT, NOW)
    header = bytearray(call.headers["authorization"].encode())
    header[chance.randrange(len(header))] ^= 1 << chance.randrange(5)
    changed = make_call(bytes(body), headers={"authorization": header.decode("latin-1")})
    if header.lower()[:6] != b"basic " or header[6:] != call.headers["authorization"][6:].encode():
        with pytest.raises(InvalidSignatureError):
            ADAPTER.verify(changed, ACCOUNT, NOW)
    with suppress(UnreadableCallError):
        items_of(ADAPTER, call, ACCOUNT)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"From":""}', b"{" * 3000, b"\xff", b'{"Headers":7}']
)
def test_a_body_without_a_sender_or_a_type_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        items_of(ADAPTER, make_call(body), ACCOUNT)


def test_a_message_becomes_one_call_of_the_email_api() -> None:
    request = rendered(ADAPTER, ACCOUNT, in_reply_to="<1@example.org>", subject="An order")
    assert isinstance(request, HttpRequest)
    assert request.url == "https://api.postmarkapp.com/email"
    assert dict(request.headers)["x-postmark-server-token"] == "token"
    content = json.loads(request.body)
    assert (content["From"], content["To"]) == ("help@shop.example", '"Ada" <ada@example.org>')
    assert (content["Subject"], content["TextBody"]) == ("Re: An order", "Good day")
    assert content["MessageStream"] == "outbound"
    assert content["Metadata"] == {"convolake_reference": "send-1"}
    headers = {each["Name"]: each["Value"] for each in content["Headers"]}
    assert headers["Message-ID"] == "<convolake.send-1@shop.example>"
    assert (headers["X-PM-KeepID"], headers["In-Reply-To"]) == ("true", "<1@example.org>")


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (200, {"ErrorCode": 0, "MessageID": "m-1"}, Sent("m-1")),
        (422, {"ErrorCode": 406, "Message": "inactive"}, Rejected("Postmark rejected the mail, code 406", "406")),
        (422, {"ErrorCode": 300, "Message": "invalid"}, Rejected("Postmark rejected the mail, code 300", "300")),
        (422, {"ErrorCode": 405, "Message": "credits"}, Retry("Postmark does not take mail now, code 405")),
        (401, {"ErrorCode": 10, "Message": "token"}, Retry("the credentials are not accepted")),
        (429, {}, Retry("there are too many requests")),
        (500, {}, Unknown("the provider's server failed with status 500")),
    ],
)  # fmt: skip
def test_answers_mean_what_the_documentation_says(
    status: int, fields: dict[str, Any], expected: object
) -> None:
    answer = Answer(status=status, headers={}, body=json.dumps(fields).encode())
    assert ADAPTER.interpret(answer) == expected


@needs_recorded
@pytest.mark.parametrize(
    ("name", "text", "sender", "files"),
    [
        ("postmark_inbound.json", "This is a test text body.", "support@postmarkapp.com", 1),
        ("postmark_inbound_basics_1.json", "Test body plain", "from+test@example.org", 0),
    ],
)
def test_real_posts_are_read(name: str, text: str, sender: str, files: int) -> None:
    raw = (MAIL / "inbound_parse" / name).read_bytes()
    call = ADAPTER.sign(raw, "application/json", ACCOUNT, NOW)
    ADAPTER.verify(call, ACCOUNT, NOW)
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert message.payload["email"]["subject"] == "Test subject"
    assert (message.text, len(message.attachments)) == (text, files)
    assert message.person is not None
    assert message.person.addresses[0].value == sender
