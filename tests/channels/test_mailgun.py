"""Mailgun: routes in both forms, event webhooks, the signature in the body, and messages."""

import hashlib
import hmac
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode

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
    UnreadableCallError,
)
from ingest.channels.mail.mailgun import ADAPTER, WINDOW
from tests.api_server import Installation
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
    "mailgun",
    options={"domain": "mg.shop.example"},
    secrets={"signing_key": ["key-2", "key-1"], "api_key": ["api-key"]},
)
FORM = "application/x-www-form-urlencoded"
SECONDS = NOW // 1_000_000


def we_accept(call: Call, now: int = NOW) -> bool:
    try:
        ADAPTER.verify(call, ACCOUNT, now)
    except InvalidSignatureError:
        return False
    return True


def proof(at: int = SECONDS, token: str = "t" * 50, key: str = "key-1") -> dict[str, str]:
    """Return the proof as https://documentation.mailgun.com describes it, written independently."""
    digest = hmac.new(key.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": str(at), "token": token, "signature": digest}


def make_form(**fields: str) -> Call:
    return make_call(urlencode({**fields, **proof()}).encode(), FORM)


def make_event(kind: str, **rest: Any) -> Call:
    event = {
        "event": kind,
        "id": f"id-{kind}",
        "timestamp": SECONDS + 0.25,
        "recipient": "ada@example.org",
        "message": {"headers": {"message-id": "convolake.send-1@shop.example"}},
        "user-variables": {"convolake_reference": "send-1"},
        **rest,
    }
    return make_call(
        json.dumps({"signature": proof(), "event-data": event}).encode(), "application/json"
    )


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_a_proof_is_accepted_and_one_changed_bit_of_it_is_rejected(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    given_proof = proof(
        token="".join(chance.choices("0123456789abcdef", k=50)),
        key=chance.choice(("key-1", "key-2")),
    )
    name = chance.choice(("timestamp", "token", "signature"))
    raw = bytearray(given_proof[name].encode())
    bit = chance.randrange(len(raw) * 7)
    raw[bit // 7] ^= 1 << bit % 7
    changed = {**given_proof, name: raw.decode()}
    for fields, is_valid in ((given_proof, True), (changed, False)):
        as_form = make_call(urlencode({"subject": "x", **fields}).encode(), FORM)
        as_json = make_call(
            json.dumps({"signature": fields, "event-data": {}}).encode(), "application/json"
        )
        assert we_accept(as_form) == we_accept(as_json) == is_valid


def test_the_window_is_fifteen_minutes_in_both_directions() -> None:
    for offset in (0, WINDOW, -WINDOW):
        assert we_accept(make_call(urlencode(proof(SECONDS + offset)).encode(), FORM))
        outside = SECONDS + offset + (1 if offset > 0 else -1)
        assert not offset or not we_accept(make_call(urlencode(proof(outside)).encode(), FORM))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"{", b"[]", b"timestamp=1", b'{"signature":7}', b"\xff", b"{" * 3000, urlencode(proof(key="other")).encode(),
     urlencode(proof(token="")).encode(), urlencode(proof() | {"timestamp": "²"}).encode()],
    ids=range(11),
)  # fmt: skip
def test_a_call_without_a_valid_proof_is_invalid(body: bytes) -> None:
    assert not we_accept(make_call(body, FORM))


def test_a_call_that_we_sign_is_accepted_in_every_form() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="subject"\r\n\r\nx\r\n--b--\r\n'
    for body, kind in (
        (b"subject=x", FORM),
        (b'{"subject":"x","from":"a@b.example"}', "application/json"),
        (b'{"event-data":{"event":"opened"},"signature":{}}', "application/json"),
        (part, "multipart/form-data; boundary=b"),
        (part, "text/plain"),
    ):
        assert we_accept(ADAPTER.sign(body, kind, ACCOUNT, NOW))


def test_a_parsed_route_is_read() -> None:
    headers = [
        ["From", "=?utf-8?Q?=C3=84da?= <ada@example.org>"],
        ["Subject", "An order"],
        ["Message-Id", "<1@example.org>"],
    ]
    headers += [
        ["In-Reply-To", "<0@x>"],
        ["Date", "Mon, 4 May 2026 10:00:00 +0200"],
        ["To", "help@shop.example"],
    ]
    call = make_form(
        **{
            "message-headers": json.dumps(headers),
            "body-plain": "Hi 👍",
            "body-html": "<p>Hi",
            "sender": "bounce@example.org",
            "recipient": f"help+c-{'a' * 16}@shop.example",
            "attachments": '[{"url":"https://x.example/1","content-type":"a/b","name":"c","size":3}]',
        }
    )
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert (message.provider_id, message.text, message.author_name) == (
        "<1@example.org>",
        "Hi 👍",
        "Äda",
    )
    assert message.in_reply_to == "<0@x>"
    assert message.thread == ("<0@x>", "token:" + "a" * 16)
    assert message.happened_at == 1_777_881_600_000_000
    assert (message.attachments[0].url, message.attachments[0].size) == ("https://x.example/1", 3)


def test_a_route_with_files_and_html_only_is_read() -> None:
    fields = {
        "from": "Ada <ada@example.org>",
        "subject": "Größe",
        "body-html": "<p>Hi</p>",
        "content-id-map": '{"<c1>":"attachment-1"}',
    }
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
        for n, v in fields.items()
    )
    file = '--b\r\nContent-Disposition: form-data; name="attachment-1"; filename="ä.png"\r\nContent-Type: image/png\r\n\r\n123\r\n'
    call = make_call((parts + file + "--b--").encode(), "multipart/form-data; boundary=b")
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert (message.text, message.payload["email"]["subject"]) == ("Hi", "Größe")
    (picture,) = message.attachments
    assert (picture.name, picture.content_type, picture.size, picture.url) == (
        "ä.png",
        "image/png",
        3,
        "cid:c1",
    )


def test_a_raw_route_is_read() -> None:
    call = make_form(**{"body-mime": make_mail("Hi").decode(), "sender": "ada@example.org"})
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert (message.provider_id, message.text) == ("<1@example.org>", "Hi")


@pytest.mark.parametrize(
    ("kind", "rest", "status"),
    [
        ("delivered", {}, "delivered"),
        ("rejected", {"reject": {"reason": "x"}}, "failed"),
        (
            "failed",
            {"severity": "permanent", "delivery-status": {"code": 550, "message": "no user"}},
            "failed",
        ),
    ],
)
def test_final_states_are_receipts_of_our_message_id(
    kind: str, rest: dict[str, Any], status: str
) -> None:
    (item,) = items_of(ADAPTER, make_event(kind, **rest), ACCOUNT)
    assert isinstance(item, ReceiptItem)
    assert (item.message, item.status) == ("<convolake.send-1@shop.example>", status)
    assert item.client_reference == "send-1"
    assert item.happened_at == NOW + 250_000
    if kind == "failed":
        assert (item.code, item.reason) == ("550", "no user")


@pytest.mark.parametrize(
    "kind", ["opened", "clicked", "complained", "unsubscribed", "accepted", "failed"]
)
def test_other_events_are_kept(kind: str) -> None:
    (item,) = items_of(
        ADAPTER, make_event(kind, severity="temporary", flags={"is-test-mode": True}), ACCOUNT
    )
    assert isinstance(item, OtherItem)
    assert (item.kind, item.is_test) == (kind, True)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_whatever_a_body_has_only_one_error_is_raised(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    pieces = (
        make_event("failed").body,
        make_form(**{"message-headers": '[["a"],1,["From","x@y"]]', "attachments": "[1]"}).body,
    )
    body = bytearray(chance.choice(pieces))
    for _ in range(chance.randrange(6)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    with suppress(UnreadableCallError):
        items_of(ADAPTER, make_call(bytes(body), chance.choice((FORM, ""))), ACCOUNT)


def test_a_message_becomes_one_call_of_messages() -> None:
    request = rendered(ADAPTER, ACCOUNT, in_reply_to="<1@example.org>", subject="An order")
    assert isinstance(request, HttpRequest)
    assert request.url == "https://api.mailgun.net/v3/mg.shop.example/messages"
    fields = dict(parse_qsl(request.body.decode()))
    assert fields["to"] == '"Ada" <ada@example.org>'
    assert (fields["subject"], fields["text"]) == ("Re: An order", "Good day")
    assert fields["h:Message-ID"] == "<convolake.send-1@shop.example>"
    assert fields["v:convolake_reference"] == "send-1"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"id":"<a@b>","message":"Queued"}', Sent("<a@b>")),
        (200, b"", Sent(None)),
        (400, b'{"message":"to parameter is not a valid address"}', Rejected),
        (401, b"Forbidden", Retry),
        (404, b"", Retry),
        (429, b"", Retry),
    ],
)
def test_answers_mean_what_the_documentation_says(status: int, body: bytes, expected: Any) -> None:
    found = ADAPTER.interpret(Answer(status=status, headers={}, body=body))
    assert found == expected or type(found) is expected


@needs_recorded
@pytest.mark.parametrize(
    ("name", "subject", "sender"),
    [
        ("mailgun_inbound_basics_1.json", "Test subject", "from+test@example.org"),
        ("mailgun_misconfigured_store_action_3.json", None, "envelope-from@example.org"),
    ],
)
def test_real_posts_are_read(name: str, subject: str | None, sender: str) -> None:
    raw = (MAIL / "inbound_parse" / name).read_bytes()
    assert not we_accept(make_call(raw, "application/json"))
    call = ADAPTER.sign(raw, "application/json", ACCOUNT, NOW)
    assert we_accept(call)
    message = only_message(items_of(ADAPTER, call, ACCOUNT))
    assert message.payload["email"].get("subject") == subject
    assert message.text == "Test body plain"
    assert message.person is not None
    assert message.person.addresses[0].value == sender


# --- a token that is used twice


@pytest.fixture
def inbox(installation: Installation) -> Callable[[bytes], int]:
    body = {
        "provider": "mailgun", "account_id": "inbox", "address": "help@shop.example",
        "options": {"domain": "mg.shop.example"},
        "secrets": {"signing_key": "key-1", "api_key": "api-key"},
    }  # fmt: skip
    assert installation.post("/v1/channels", body).status_code == 201

    def post(content: bytes) -> int:
        headers = {"content-type": FORM}
        answer = installation.http.post("/channels/inbox", content=content, headers=headers)
        return int(answer.status_code)

    return post


@pytest.mark.allows_loopback
def test_a_token_is_not_taken_with_another_body_and_a_repeated_call_is_a_duplicate(
    installation: Installation, inbox: Callable[[bytes], int]
) -> None:
    seconds = installation.clock() // 1_000_000
    said = {"sender": "ada@example.org", "recipient": "help@shop.example", "body-plain": "Hello"}
    signed = proof(seconds, "t" * 50)
    first = urlencode({**said, **signed}).encode()
    assert inbox(first) == 200
    assert inbox(first) == 200
    assert inbox(urlencode({**said, **signed, "body-plain": "Send the money"}).encode()) == 401
    other = urlencode({**said, **proof(seconds, "u" * 50), "body-plain": "Another mail"}).encode()
    assert inbox(other) == 200
    found = installation.http.get("/v1/channels/inbox/calls").json()
    assert [each["reason"] for each in found["unverified"]] in (
        [], ["the token was used for another body"],
    )  # fmt: skip
    assert sorted(each.get("duplicate", 0) > 0 for each in found["items"]) == [False, False, True]
    installation.clock.forward(minutes=14)
    assert inbox(urlencode({**said, **signed, "body-plain": "Later"}).encode()) == 401


def test_what_a_call_says_is_the_same_in_every_boundary_and_another_with_a_changed_field() -> None:
    def digest(boundary: str, text: str) -> bytes:
        parts = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in {"body-plain": text, **proof()}.items()
        )
        body = f"{parts}--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return ADAPTER.one_time_token(make_call(body, kind))[1]

    assert digest("a", "Hello") == digest("b", "Hello")
    assert digest("a", "Hello") != digest("a", "Hallo")
