"""Vonage: every kind of call is read, only Vonage's calls are taken, and sends obey the documented limits."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vonage_http_client import Auth  # type: ignore[import-untyped]
from vonage_jwt import verify_signature  # type: ignore[import-untyped]

from convolake.loopback_server import Reply
from ingest.channels.base import (
    Account,
    Address,
    Call,
    Choice,
    Inbound,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    OutboundMessage,
    Person,
    ReactionItem,
    ReceiptItem,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.fields import FORM
from ingest.channels.vonage.adapter import ADAPTER
from ingest.channels.vonage.signature import SMS_WINDOW, TOKEN_WINDOW
from ingest.events.payloads import Attachment
from tests.channels.changed_bits import with_changed_bits
from tests.channels.recorded import recorded
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.vonage import VonageApi, error, vonage_api

SECONDS = 1_790_000_000
NOW = SECONDS * 1_000_000
DAY = 86_400_000_000
JSON = "application/json"
HOSTILE = "مرحبا\u200f 😀👨‍👩‍👧 你好\u200b\r\n\x00 a&b=c+d%"
NEWEST, OLDEST, STRANGE = ("n" * 40, "o" * 40, "s" * 40)
METHODS = ("md5hash", "md5", "sha1", "sha256", "sha512")


def account(channel: str = "sms", **options: str) -> Account:
    return Account(
        account_id="a",
        provider="vonage",
        channel=channel,
        address="+447700900000",
        options={"api_key": "a1234567", **options},
        secrets={"signature_secret": [NEWEST, OLDEST], "api_secret": ["an API secret"]},
    )


def call_of(body: Any, content_type: str = JSON) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type}
    return Call(method="POST", url="https://desk.example/", headers=headers, query={}, body=raw)


def get_of(query: str) -> Call:
    return Call(method="GET", url=f"https://desk.example/?{query}", headers={}, query={}, body=b"")


def item_of(body: Any, channel: str = "whatsapp") -> Inbound:
    [item] = ADAPTER.parse(call_of(body), account(channel))
    return item


def body_of(kind: str, channel: str = "whatsapp", **fields: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
        "to": "447700900000",
        "from": "447700900001",
        "timestamp": "2026-11-30T10:00:00.123Z",
        "message_type": kind,
        **fields,
    }


def message_of(kind: str, via: str = "whatsapp", **fields: Any) -> MessageItem:
    item = item_of(body_of(kind, via, **fields), account_channel(via))
    assert isinstance(item, MessageItem)
    return item


def account_channel(channel: str) -> str:
    return {"viber_service": "viber", "mms": "sms"}.get(channel, channel)


def is_valid(call: Call, of: Account | None = None, now: int = NOW) -> bool:
    try:
        ADAPTER.verify(call, of or account(), now)
    except InvalidSignatureError:
        return False
    return True


def with_token(call: Call, token: str) -> Call:
    headers = {**call.headers, "authorization": f"Bearer {token}"}
    return msgspec.structs.replace(call, headers=headers)


def token_of(call: Call, secret: str = NEWEST, **claims: Any) -> str:
    """Return a token of PyJWT; a claim of None is left out."""
    all_claims = {
        "iat": SECONDS,
        "jti": "1",
        "iss": "Vonage",
        "api_key": "a1234567",
        "payload_hash": hashlib.sha256(call.body).hexdigest(),
        **claims,
    }
    named = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(named, secret, algorithm="HS256")


def test_a_text_has_sender_time_and_id() -> None:
    item = message_of("text", text=HOSTILE, profile={"name": "Ada"}, context={"message_uuid": "b"})
    assert item.provider_id == "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    assert (item.text, item.in_reply_to, item.channel, item.payload) == (HOSTILE, "b", None, {})
    assert item.happened_at == 1_796_032_800_123_000
    assert item.person == Person(addresses=(Address("phone", "+447700900001"),), name="Ada")


def test_a_sender_without_number_is_known_by_every_other_id() -> None:
    body = body_of(
        "text",
        text="hi",
        profile={"name": "Ada", "username": "ada.l"},
        whatsapp={"sender": {"user_id": "DE.1349", "parent_user_id": "DE.ENT.506"}},
    )
    del body["from"]
    item = item_of(body)
    assert isinstance(item, MessageItem)
    assert item.person == Person(
        addresses=(Address("bsuid", "DE.1349"), Address("parent_bsuid", "DE.ENT.506")),
        name="Ada",
        attributes={"username": "ada.l"},
    )
    item = item_of({**body, "from": "DE.1349"})
    assert isinstance(item, MessageItem)
    assert item.person is not None
    assert item.person.addresses[0] == Address("bsuid", "DE.1349")


@pytest.mark.parametrize(
    ("channel", "sender", "address"),
    [
        ("sms", "447700900001", Address("phone", "+447700900001")),
        ("mms", "447700900001", Address("phone", "+447700900001")),
        ("rcs", "447700900001", Address("phone", "+447700900001")),
        ("viber_service", "447700900001", Address("phone", "+447700900001")),
        ("messenger", "777", Address("page_scoped_id", "777", "447700900000")),
        ("carrier_pigeon", "p1", Address("external_id", "p1", "carrier_pigeon")),
    ],
)
def test_each_channel_has_its_addresses(channel: str, sender: str, address: Address) -> None:
    item = message_of("text", channel, text="x", **{"from": sender})
    assert item.person is not None
    assert (item.channel, item.person.addresses) == (None, (address,))
    [elsewhere] = ADAPTER.parse(call_of(body_of("text", channel, text="x")), account("web"))
    assert isinstance(elsewhere, MessageItem)
    assert elsewhere.channel == account_channel(channel)


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file", "sticker", "vcard"])
def test_media_are_attachments_with_their_caption(kind: str) -> None:
    content = {"url": f"https://files.example/{kind}", "name": "a.bin", "caption": "Look"}
    item = message_of(kind, "whatsapp", **{kind: content})
    assert item.attachments == (Attachment(url=content["url"], name="a.bin"),)
    assert (item.text, item.payload) == ("Look", {"message_type": kind})


def test_several_contents_of_an_mms_are_several_attachments() -> None:
    content = [
        {"type": "image", "url": "https://a.example/1"},
        {"type": "file"},
        7,
        {"url": "https://a.example/2"},
    ]
    item = message_of("content", "mms", content=content, text="both")
    assert [each.url for each in item.attachments] == ["https://a.example/1", "https://a.example/2"]
    assert item.text == "both"


def test_details_of_a_message_are_in_its_payload() -> None:
    place = {
        "lat": 40.34,
        "long": -74.18,
        "name": "Shop",
        "address": "Street 1",
        "url": "https://shop.example",
    }
    item = message_of("location", location=place)
    assert item.attachments == (Attachment(url="geo:40.34,-74.18", name="Shop"),)
    reply = message_of("reply", reply={"id": "row1", "title": "9am"})
    assert (reply.text, reply.payload["reply"]) == ("9am", {"id": "row1", "title": "9am"})
    button = message_of("button", button={"text": "Yes", "payload": "y"})
    assert (button.text, button.payload["button"]["payload"]) == ("Yes", "y")
    referral = {"source_url": "https://ad.example"}
    advertised = message_of("text", text="x", whatsapp={"referral": referral})
    assert advertised.payload == {"referral": referral}


@pytest.mark.parametrize("kind", ["text", "image", "location", "order", "contacts"])
def test_a_message_without_text_and_attachment_is_kept(kind: str) -> None:
    item = item_of(body_of(kind, order={"catalog_id": "1"}))
    assert isinstance(item, OtherItem)
    assert (item.kind, item.data["order"]) == (kind, {"catalog_id": "1"})
    [sms] = ADAPTER.parse(call_of({**SMS, "text": ""}), account())
    assert isinstance(sms, OtherItem)
    assert sms.kind == "empty_message"


def test_a_reaction_names_its_message() -> None:
    reaction = {"action": "react", "emoji": "😍"}
    item = item_of(body_of("reaction", reaction=reaction, context={"message_uuid": "b"}))
    assert isinstance(item, ReactionItem)
    assert (item.message, item.reaction) == ("b", "😍")
    item = item_of(
        body_of("reaction", reaction={"action": "unreact"}, context={"message_uuid": "b"})
    )
    assert isinstance(item, ReactionItem)
    assert item.reaction is None


@pytest.mark.parametrize("kind", ["unsupported", "hologram", ""])
def test_unknown_kinds_are_kept(kind: str) -> None:
    item = item_of(body_of(kind, text="x"))
    assert isinstance(item, OtherItem)
    assert (item.kind, item.text, item.data["message_type"]) == (kind or "unnamed", "x", kind)


@pytest.mark.parametrize(
    ("given_status", "status"),
    [
        ("submitted", "submitted"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("rejected", "failed"),
        ("undeliverable", "failed"),
    ],
)
def test_a_status_is_a_receipt(given_status: str, status: str) -> None:
    body = {
        "message_uuid": "m1",
        "to": "447700900001",
        "from": "447700900000",
        "timestamp": "2025-02-03T12:14:25Z",
        "status": given_status,
        "error": {"title": "1340", "detail": "Outside the window"},
        "client_ref": "event-1",
        "channel": "whatsapp",
        "profile": {"name": "Ada", "username": "ada.l"},
        "whatsapp": {"recipient": {"user_id": "DE.1349", "wa_id": "447700900001"}},
    }
    item = item_of(body)
    assert isinstance(item, ReceiptItem)
    assert (item.provider_id, item.message, item.status) == (f"m1:{given_status}", "m1", status)
    assert (item.code, item.reason, item.client_reference) == (
        "1340",
        "Outside the window",
        "event-1",
    )
    assert item.person is not None
    assert item.person.addresses == (Address("phone", "+447700900001"), Address("bsuid", "DE.1349"))
    assert item.happened_at == 1_738_584_865_000_000
    for name in ("to", "whatsapp", "profile"):
        del body[name]
    nameless = item_of(body)
    assert isinstance(nameless, ReceiptItem)
    assert nameless.person is None


def test_an_unknown_status_is_kept() -> None:
    item = item_of({"message_uuid": "m1", "status": "teleported", "channel": "sms"})
    assert isinstance(item, OtherItem)
    assert (item.kind, item.provider_id) == ("status", "m1:teleported")


def test_bodies_of_the_first_version_are_read() -> None:
    body = {
        "message_uuid": "m1",
        "to": {"type": "whatsapp", "number": "447700900000"},
        "from": {"type": "whatsapp", "number": "447700900001"},
        "timestamp": "2020-01-01T14:00:00.000Z",
        "message": {"content": {"type": "text", "text": "hi"}},
    }
    item = item_of(body)
    assert isinstance(item, MessageItem)
    assert item.person is not None
    assert (item.text, item.person.addresses[0].value) == ("hi", "+447700900001")


SMS = {
    "msisdn": "447700900001",
    "to": "447700900000",
    "messageId": "02000000DA7C52E7",
    "text": HOSTILE,
    "type": "unicode",
    "message-timestamp": "2016-05-24 11:12:01",
}
RECEIPT = {
    "msisdn": "447700900001",
    "messageId": "14000000F9DBBBBB",
    "status": "rejected",
    "err-code": "6",
    "message-timestamp": "2020-07-17 02:35:01",
    "client-ref": "event-1",
}


def sms_calls(fields: dict[str, str]) -> list[Call]:
    query = urlencode(fields)
    return [get_of(query), call_of(query.encode(), FORM), call_of(fields)]


@pytest.mark.parametrize("call", sms_calls(SMS), ids=["GET", "form", "JSON"])
def test_an_sms_comes_in_three_forms(call: Call) -> None:
    [item] = ADAPTER.parse(call, account())
    assert isinstance(item, MessageItem)
    assert (item.provider_id, item.text, item.channel) == ("02000000DA7C52E7", HOSTILE, None)
    assert item.happened_at == 1_464_088_321_000_000
    assert item.person == Person(addresses=(Address("phone", "+447700900001"),))


@pytest.mark.parametrize("call", sms_calls(RECEIPT), ids=["GET", "form", "JSON"])
def test_a_receipt_of_the_sms_api_comes_in_three_forms(call: Call) -> None:
    [item] = ADAPTER.parse(call, account("whatsapp"))
    assert isinstance(item, ReceiptItem)
    assert (item.provider_id, item.message) == ("14000000F9DBBBBB:rejected", "14000000F9DBBBBB")
    assert (item.status, item.code, item.client_reference) == ("failed", "6", "event-1")
    assert item.channel == "sms"


def test_parts_and_binary_sms_are_kept() -> None:
    [part] = ADAPTER.parse(
        call_of(
            {**SMS, "concat": "true", "concat-ref": "1", "concat-part": "2", "concat-total": "3"}
        ),
        account(),
    )
    assert isinstance(part, MessageItem)
    assert part.payload == {"part": {"reference": "1", "number": "2", "total": "3"}}
    [binary] = ADAPTER.parse(call_of({**SMS, "type": "binary", "data": "00"}), account())
    assert isinstance(binary, OtherItem)
    [status] = ADAPTER.parse(call_of({**RECEIPT, "status": "?"}), account())
    assert isinstance(status, OtherItem)


def test_what_has_no_id_or_no_sender_is_kept_as_unreadable() -> None:
    request = {"message_type": "text", "text": "hi", "to": "447700900000", "channel": "sms"}
    senderless = body_of("text", text="x") | {"from": None}
    for body in (request, senderless, {**SMS, "msisdn": ""}):
        item = item_of(body)
        assert isinstance(item, UnreadableItem)
        assert item.raw == json.dumps(body).encode()


def test_an_answer_of_the_api_is_no_call() -> None:
    with pytest.raises(UnreadableCallError):
        ADAPTER.parse(call_of({"page_size": 10, "_embedded": []}), account())


values = st.sampled_from(
    [None, True, 7, -1, 1.5, "", "x", [], {}, ["x"], {"url": 7}, {"number": "1"}]
)
keys = st.sampled_from(
    ["channel", "message_uuid", "from", "to", "message_type", "status", "text", "image", "whatsapp"]
)
bodies = st.dictionaries(
    keys, values | st.sampled_from(["text", "image", "reaction", "whatsapp"]), max_size=8
)


@settings(max_examples=1_000, deadline=None)
@given(
    st.binary(max_size=40) | bodies.map(lambda each: json.dumps(each).encode()),
    st.sampled_from([FORM, JSON, ""]),
)
def test_no_body_breaks_the_reader(body: bytes, content_type: str) -> None:
    try:
        list(ADAPTER.parse(call_of(body, content_type), account()))
    except UnreadableCallError:
        return


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=40), st.sampled_from([NEWEST, OLDEST, STRANGE]), st.data())
def test_our_verdict_on_tokens_is_the_sdks(body: bytes, secret: str, data: st.DataObject) -> None:
    """The SDK reads our clock only to reject the future, so its tokens are of now."""
    call, now = call_of(body), int(time.time())
    token = token_of(call, secret, iat=now)
    head, claims, mac = token.split(".")
    unsigned = jwt.encode({"iat": now}, "", algorithm="none")
    choices = [
        token,
        token_of(call, secret, iat=now, exp=now - 10),
        token_of(call, secret, iat=now, nbf=now + 100),
        token_of(call, secret, iat=now, aud="x"),
        f"{head}.{claims}",
        f"{head}.{claims}.",
        f"{claims}.{head}.{mac}",
        f"{token}.{mac}",
        unsigned,
        jwt.encode({"iat": now}, secret * 2, algorithm="HS512"),
        "",
        "é.é.é",
    ]
    given_token = data.draw(st.sampled_from(choices))
    expected = any(sdk_accepts(given_token, each) for each in (NEWEST, OLDEST))
    assert is_valid(with_token(call, given_token), now=now * 1_000_000) == expected


def sdk_accepts(token: str, secret: str) -> bool:
    try:
        return bool(verify_signature(token, secret))
    except Exception:
        return False


words = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.text(st.characters(codec="utf-8", exclude_characters="&="), max_size=6)
forms = st.dictionaries(names, words, max_size=4)


@settings(max_examples=1_000, deadline=None)
@given(forms, st.sampled_from([NEWEST, OLDEST, STRANGE]), st.sampled_from(METHODS[1:]), st.data())
def test_our_verdict_on_signatures_is_the_sdks(
    fields: dict[str, str], secret: str, method: str, data: st.DataObject
) -> None:
    fields["timestamp"] = str(SECONDS)
    fields.pop("sig", None)
    right = Auth(api_key="a", signature_secret=secret, signature_method=method).sign_params(
        dict(fields)
    )
    sig = data.draw(st.sampled_from([right, right.upper(), right[:-1], "", "é", None]))
    signed = fields if sig is None else {**fields, "sig": sig}
    body = urlencode(signed).encode()
    expected = any(
        sdk_checks(dict(parse_qsl(body.decode(), keep_blank_values=True)), each, method)
        for each in (NEWEST, OLDEST)
    )
    of = account(signature_method=method)
    assert is_valid(call_of(body, FORM), of) == expected
    assert is_valid(get_of(body.decode()), of) == expected


def sdk_checks(fields: dict[str, str], secret: str, method: str) -> bool:
    try:
        auth = Auth(api_key="a", signature_secret=secret, signature_method=method)
        return bool(auth.check_signature(fields))
    except Exception:
        return False


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("content_type", [FORM, JSON])
def test_every_method_signs_what_it_verifies(method: str, content_type: str) -> None:
    body = urlencode(SMS).encode() if content_type == FORM else json.dumps(SMS).encode()
    of = account(signature_method=method)
    call = ADAPTER.sign(body, content_type, of, NOW)
    assert is_valid(call, of)
    assert ADAPTER.parse(call, of) == ADAPTER.parse(call_of(body, content_type), of)
    others = [each for each in METHODS if each != method]
    assert not any(is_valid(call, account(signature_method=each)) for each in [*others, "rot13"])


def test_the_plain_hash_is_md5_of_fields_and_secret() -> None:
    fields = {"b": "1&2=3", "a": "x", "timestamp": str(SECONDS)}
    text = f"&a=x&b=1_2_3&timestamp={SECONDS}{OLDEST}"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    assert is_valid(get_of(urlencode({**fields, "sig": digest})))


@settings(max_examples=200, deadline=None)
@given(forms, st.sampled_from([FORM, JSON]), st.data())
def test_one_changed_bit_is_rejected(
    fields: dict[str, str], content_type: str, data: st.DataObject
) -> None:
    form = urlencode(fields).encode() or b"a=b"
    body = form if content_type == FORM else json.dumps(fields).encode()
    call = ADAPTER.sign(body, content_type, account(), NOW)
    assert is_valid(call)
    signed = signed_text(call.body) if content_type == FORM else []
    for changed in with_changed_bits(call.body, data):
        forged = msgspec.structs.replace(call, body=changed)
        is_same = content_type == FORM and is_valid(forged) and signed_text(changed) == signed
        assert not is_valid(forged) or is_same
    token = call.headers.get("authorization", "").removeprefix("Bearer ")
    for changed in with_changed_bits(token.encode(), data):
        assert not is_valid(with_token(call, changed.decode("latin-1")))


def signed_text(form: bytes) -> list[tuple[str, str]]:
    """Return what a signature covers: the same for `+` and `%20`, `%3D` and `_`, and both cases of the digest."""
    pairs = dict(parse_qsl(form.decode(), keep_blank_values=True))
    pairs["sig"] = pairs["sig"].lower() if pairs["sig"] == pairs["sig"].upper() else pairs["sig"]
    return sorted(
        (name, value.replace("&", "_").replace("=", "_")) for name, value in pairs.items()
    )


@pytest.mark.parametrize("offset", [-TOKEN_WINDOW, 0, TOKEN_WINDOW])
def test_a_token_is_accepted_within_its_window(offset: int) -> None:
    call = call_of(body_of("text"))
    token = with_token(call, token_of(call, iat=SECONDS + offset))
    assert is_valid(token)
    assert not is_valid(
        token,
        now=NOW
        + (1_000_000 if offset <= 0 else -1_000_000) * (offset != 0)
        + (offset == 0) * 10**9,
    )


def test_a_token_is_of_one_body_one_key_and_has_a_time() -> None:
    call = call_of(body_of("text"))
    assert is_valid(with_token(call, token_of(call)))
    assert is_valid(with_token(call, token_of(call, secret=OLDEST)))
    for claims in (
        {"payload_hash": None},
        {"payload_hash": "0"},
        {"api_key": "b"},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
    ):
        assert not is_valid(with_token(call, token_of(call, **claims)))
    other = call_of(body_of("image"))
    assert not is_valid(with_token(other, token_of(call)))
    read = msgspec.structs.replace(get_of("messageId=1"), headers={})
    assert not is_valid(with_token(read, token_of(read)))


@pytest.mark.parametrize(
    ("age", "is_fresh"), [(SMS_WINDOW, True), (SMS_WINDOW + 1, False), (-300, True), (-301, False)]
)
def test_an_sms_is_accepted_within_its_window(age: int, is_fresh: bool) -> None:
    call = ADAPTER.sign(urlencode(SMS).encode(), FORM, account(), NOW)
    assert is_valid(call, now=NOW + age * 1_000_000) is is_fresh


def test_a_call_without_proof_is_rejected() -> None:
    for call in (
        *sms_calls(SMS),
        call_of(body_of("text")),
        call_of(b""),
        call_of(b"\xff", FORM),
        get_of(""),
    ):
        assert not is_valid(call)
    signed = ADAPTER.sign(urlencode(SMS).encode(), FORM, account(), NOW)
    assert not is_valid(signed, msgspec.structs.replace(account(), secrets={}))
    assert not is_valid(
        signed, msgspec.structs.replace(account(), secrets={"signature_secret": [""]})
    )


def test_a_name_cannot_hide_a_field() -> None:
    """`&a=1&b=2` could be the field `a` with the name `b` in it."""
    signed = f"&a=1&b=2&timestamp={SECONDS}{NEWEST}"
    digest = hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()
    assert is_valid(get_of(urlencode({"a": "1", "b": "2", "timestamp": SECONDS, "sig": digest})))
    assert not is_valid(get_of(urlencode({"a=1&b": "2", "timestamp": SECONDS, "sig": digest})))


ADA = Person(
    addresses=(
        Address("email", "ada@example.org"),
        Address("phone", "+4915112345678"),
        Address("page_scoped_id", "777", "900"),
    )
)


def message(**fields: Any) -> OutboundMessage:
    return OutboundMessage(reference="event-1", now=NOW, **{"last_inbound_at": NOW - 1, **fields})


def api_account(api: VonageApi, channel: str = "sms", *, with_key: bool = False) -> Account:
    of = account(
        channel,
        api_url=api.url,
        application_id=api.application,
        webhook_url="https://desk.example/",
    )
    secrets = {**of.secrets, "api_secret": [api.secret]}
    if with_key:
        secrets["private_key"] = [api.private_key]
    return msgspec.structs.replace(of, secrets=secrets)


def sent(api: VonageApi, what: OutboundMessage, of: Account, to: Person = ADA) -> list[object]:
    requests = ADAPTER.render(what, to, of)
    assert not isinstance(requests, Unsendable), requests
    return [ADAPTER.interpret(send(each)) for each in requests]


@pytest.mark.parametrize("with_key", [False, True])
def test_vonage_takes_a_text_by_token_or_by_key(*, with_key: bool) -> None:
    with vonage_api() as api:
        [outcome] = sent(api, message(text=HOSTILE), api_account(api, with_key=with_key))
        assert outcome == Sent("00000000-0000-4000-8000-000000000001")
        assert api.bodies == [
            {
                "message_type": "text",
                "text": HOSTILE,
                "to": "4915112345678",
                "from": "447700900000",
                "channel": "sms",
                "client_ref": "event-1",
                "webhook_url": "https://desk.example/",
                "webhook_version": "v1",
            }
        ]


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "viber", "messenger", "rcs"])
def test_every_channel_takes_long_texts_and_every_attachment(channel: str) -> None:
    with vonage_api() as api:
        text = "😀 and so on. " * 500
        types = ["image/png", "audio/ogg", "video/mp4", "application/pdf", None]
        media = [
            Attachment(url="https://files.example/a", content_type=each, name="a") for each in types
        ]
        outcomes = sent(api, message(text=text, attachments=media), api_account(api, channel))
        assert all(isinstance(each, Sent) for each in outcomes)
        assert "".join(body.get("text", "") for body in api.bodies) == text
        assert len([body for body in api.bodies if body["message_type"] != "text"]) == 5


def test_whatsapp_quotes_has_buttons_and_takes_a_bsuid() -> None:
    with vonage_api() as api:
        choices = [Choice(title="Yes", value="y"), Choice(title="No")]
        nameless = Person(addresses=(Address("bsuid", "DE.1349"),))
        what = message(text="Shall we?", quick_replies=choices, in_reply_to="m0")
        sent(api, what, api_account(api, "whatsapp"), nameless)
        [body] = api.bodies
        assert (body["to"], body["context"]) == ("DE.1349", {"message_uuid": "m0"})
        buttons = body["custom"]["interactive"]["action"]["buttons"]
        assert [each["reply"] for each in buttons] == [
            {"id": "y", "title": "Yes"},
            {"id": "No", "title": "No"},
        ]
        sent(
            api,
            message(text="Which?", quick_replies=[*choices, *choices]),
            api_account(api, "whatsapp"),
        )
        assert api.bodies[1]["text"] == "Which?\nYes\nNo\nYes\nNo"


@pytest.mark.parametrize(("age", "is_open"), [(DAY - 1, True), (DAY, False)])
def test_whatsapp_needs_a_template_outside_its_window(age: int, is_open: bool) -> None:
    plain = ADAPTER.render(message(text="hi", last_inbound_at=NOW - age), ADA, account("whatsapp"))
    assert isinstance(plain, Unsendable) is not is_open
    with vonage_api() as api:
        template = {"name": "ns:welcome", "parameters": ["Ada"], "locale": "de"}
        what = message(text="hi", last_inbound_at=NOW - age, template=template)
        sent(api, what, api_account(api, "whatsapp"))
        assert (api.bodies[0]["message_type"] == "text") is is_open
        if not is_open:
            assert api.bodies[0]["template"] == {"name": "ns:welcome", "parameters": ["Ada"]}
            assert api.bodies[0]["whatsapp"] == {"policy": "deterministic", "locale": "de"}


def test_what_cannot_be_sent_is_said_before_it_is_sent() -> None:
    stranger = Person(addresses=(Address("email", "ada@example.org"),))
    broken = msgspec.structs.replace(account(), secrets={"private_key": ["no key"]})
    assert isinstance(ADAPTER.render(message(text="hi"), stranger, account()), Unsendable)
    assert isinstance(ADAPTER.render(message(), ADA, account()), Unsendable)
    assert isinstance(ADAPTER.render(message(text="hi"), ADA, broken), Unsendable)


def test_answers_say_whether_to_try_again() -> None:
    with vonage_api() as api:
        of = api_account(api)

        def outcome(reply: Reply | None = None) -> object:
            api.next_reply = reply
            return sent(api, message(text="hi"), of)[0]

        assert outcome(error(429, "1000", **{"retry-after": "9"})) == Retry(
            "there are too many requests", 9
        )
        assert isinstance(outcome(error(401, "unauthorized")), Retry)
        assert isinstance(outcome(error(402, "low-balance")), Retry)
        assert outcome(error(422, "1150")) == Rejected(
            "the provider rejected the message with status 422", "1150"
        )
        assert isinstance(outcome(error(403, "x")), Rejected)
        assert isinstance(outcome(error(500, "x")), Unknown)
        assert isinstance(outcome(Reply(504, b"<html>")), Unknown)
        assert outcome(Reply(202, b"not JSON")) == Sent(None)
        api.secret = api.key
        assert isinstance(sent(api, message(text="hi"), of)[0], Retry)


def recorded_call(path: Path) -> Call:
    """Return the body of a file, signed; a recorded GET is signed as a form, which has the same fields."""
    raw = path.read_bytes()
    if path.suffix == ".json":
        return ADAPTER.sign(raw, JSON, account(), NOW)
    head, _, body = raw.decode().replace("\r\n", "\n").partition("\n\n")
    target = head.split(" ")[1]
    form = target.partition("?")[2] if head.startswith("GET") else body.strip()
    content_type = JSON if "application/json" in head else FORM
    return ADAPTER.sign(form.encode(), content_type, account(), NOW)


@pytest.mark.parametrize("path", recorded("vonage"), ids=lambda path: path.name)
def test_a_recorded_call_is_read_as_it_is(path: Path) -> None:
    """Compare with a reading of the file that shares no code with the adapter."""
    call = recorded_call(path)
    assert is_valid(call)
    is_form = call.headers["content-type"] == FORM
    fields = dict(parse_qsl(call.body.decode())) if is_form else json.loads(call.body)
    if "_embedded" in fields:
        with pytest.raises(UnreadableCallError):
            ADAPTER.parse(call, account())
        return
    [item] = ADAPTER.parse(call, account())
    identity = fields.get("message_uuid") or fields.get("messageId")
    if identity is None:
        assert isinstance(item, UnreadableItem)  # a request to the API, which no webhook is
        assert "webhook_url" in fields
        return
    assert isinstance(item, MessageItem | ReceiptItem)
    expect_item(item, identity, fields)


def expect_item(item: MessageItem | ReceiptItem, identity: str, fields: dict[str, Any]) -> None:
    customer = fields.get("msisdn") or fields["to" if "status" in fields else "from"]
    assert item.person is not None
    assert item.person.addresses[0].value.removeprefix("+") == customer
    stamp = fields.get("timestamp", "") if "message_uuid" in fields else fields["message-timestamp"]
    assert item.happened_at is not None
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(item.happened_at // 1_000_000))
    assert text == stamp.replace("T", " ")[:19]
    if isinstance(item, ReceiptItem):
        assert (item.message, item.status) == (identity, fields["status"])
        return
    assert (item.provider_id, item.text) == (identity, fields["text"])
    assert item.in_reply_to == fields.get("context", {}).get("message_uuid")
    assert item.person.name == fields.get("profile", {}).get("name")
