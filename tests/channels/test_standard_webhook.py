"""The generic signed webhook: its verdict is that of the SDK `standardwebhooks`, and it reads what its page documents."""

import base64
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from ingest.channels.base import (
    Account,
    Address,
    Answer,
    Call,
    HttpRequest,
    InvalidSignatureError,
    MessageItem,
    OutboundMessage,
    Person,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.standard_webhook import signature as standard_webhook_signature
from ingest.channels.standard_webhook.adapter import StandardWebhook
from tests.channels.conftest import SECRET

ADAPTER = StandardWebhook()


def account(*secrets: str, **options: str) -> Account:
    return Account(
        account_id="shop", provider="webhook", channel="api", address="shop.example",
        options=options, secrets={"signing_secret": list(secrets or (SECRET,))},
    )  # fmt: skip


def now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def is_valid(call: Call, of: Account | None = None, at: int | None = None) -> bool:
    try:
        ADAPTER.verify(call, of or account(), now() if at is None else at)
    except InvalidSignatureError:
        return False
    return True


def sdk_says(call: Call) -> bool:
    """Return the verdict of the SDK; whatever it raises means invalid."""
    try:
        Webhook(SECRET).verify(call.body, dict(call.headers), json_parse=False)
    except Exception:
        return False
    return True


def with_header(call: Call, name: str, value: str) -> Call:
    return msgspec.structs.replace(call, headers={**call.headers, name: value})


@settings(max_examples=1000, deadline=None)
@given(
    st.text(max_size=40).map(str.encode),
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", None]),
    st.one_of(
        st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60),
        st.sampled_from(["v1,", "v1", "v2,AAAA", "v1,====", " ", "-1", "1e9", "nan", "0x10"]),
    ),
)
def test_the_verdict_is_that_of_the_sdk(body: bytes, name: str | None, value: str) -> None:
    call = ADAPTER.sign(body, "application/json", account(), now())
    if name is not None:
        call = with_header(call, name, value)
    assert is_valid(call) == sdk_says(call)


def test_an_id_with_a_full_stop_is_invalid_although_the_sdk_accepts_it() -> None:
    at = now() // 1_000_000
    headers = dict(standard_webhook_signature.sign("a.1", at, b"{}", SECRET))
    call = Call(method="POST", url="", headers=headers, query={}, body=b"{}")
    assert sdk_says(call)
    assert not is_valid(call)


def test_a_timestamp_with_a_fraction_is_invalid_although_the_sdk_accepts_it() -> None:
    call = ADAPTER.sign(b"{}", "application/json", account(), now())
    call = with_header(call, "webhook-timestamp", call.headers["webhook-timestamp"] + ".9")
    assert sdk_says(call)
    assert not is_valid(call)


@pytest.mark.parametrize(
    ("seconds", "valid"), [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_a_call_is_valid_for_five_minutes_in_both_directions(seconds: int, valid: bool) -> None:
    call = ADAPTER.sign(b"{}", "application/json", account(), 1_900_000_000_000_000)
    assert is_valid(call, at=1_900_000_000_000_000 + seconds * 1_000_000) == valid


def test_a_signature_has_one_spelling() -> None:
    call = ADAPTER.sign(b"{}", "application/json", account(), now())
    signature = call.headers["webhook-signature"]
    for spelling in (
        signature.rstrip("="),
        signature + "=",
        signature[:-2] + "\n" + signature[-2:],
    ):
        assert not is_valid(with_header(call, "webhook-signature", spelling))


def test_both_secrets_are_valid_during_a_rotation_and_one_good_signature_is_enough() -> None:
    old, new = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
    call = ADAPTER.sign(b"{}", "application/json", account(old), now())
    assert is_valid(call, account(new, old))
    assert not is_valid(call, account(new))
    both = f"v1,AAAA {call.headers['webhook-signature']} v9,x"
    assert is_valid(with_header(call, "webhook-signature", both), account(old))


def test_an_asymmetric_signature_is_verified_with_the_public_key_alone() -> None:
    private, public = standard_webhook_signature.new_key_pair()
    call = ADAPTER.sign(b"{}", "application/json", account(private), now())
    assert call.headers["webhook-signature"].startswith("v1a,")
    assert is_valid(call, account(public))
    other = standard_webhook_signature.new_key_pair()[1]
    assert not is_valid(call, account(other))
    with pytest.raises(ValueError, match="signed with"):
        ADAPTER.sign(b"{}", "application/json", account(public), now())


def test_an_account_with_an_unusable_secret_accepts_nothing() -> None:
    call = ADAPTER.sign(b"{}", "application/json", account(), now())
    for secret in ("", "whsec_!", "whpk_AAAA", "plain"):
        assert not is_valid(call, account(secret))
    empty = msgspec.structs.replace(account(), secrets={})
    assert not is_valid(call, empty)


def parse(body: bytes) -> list[object]:
    call = Call(method="POST", url="", headers={}, query={}, body=body)
    return list(ADAPTER.parse(call, account()))


def test_a_message_has_all_addresses_of_its_person() -> None:
    sender = {"id": "7", "phone": "+49 151 12345678", "email": "Ada@Example.com", "name": "Ada"}
    (item,) = parse(
        msgspec.json.encode(
            {"items": [{"type": "message", "id": "m", "from": sender, "text": "hi"}]}
        )
    )
    assert isinstance(item, MessageItem)
    assert item.person is not None
    assert item.person.addresses == (
        Address("external_id", "7", "shop.example"),
        Address("phone", "+4915112345678"),
        Address("email", "ada@example.com"),
    )


def test_an_item_that_is_not_as_documented_is_unreadable_alone() -> None:
    items = [{"type": "message", "id": ""}, {"type": "none", "id": "1"}, {"id": "1"}, None]
    found = parse(msgspec.json.encode({"items": items}))
    assert [type(each) for each in found] == [UnreadableItem] * 4


def render(**over: object) -> HttpRequest:
    message = OutboundMessage(reference="r.1", now=now(), text="Hello 🙂")
    person = Person(addresses=(Address("external_id", "7"),))
    made = ADAPTER.render(message, person, account(url="https://shop.example/in"))
    assert not isinstance(made, Unsendable)
    (request,) = made
    assert isinstance(request, HttpRequest)
    return request


def test_a_message_goes_out_as_one_request_that_the_sdk_verifies() -> None:
    request = render()
    assert request.url == "https://shop.example/in"
    sent = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert (sent["text"], sent["reference"]) == ("Hello 🙂", "r.1")
    assert sent["to"] == [{"kind": "external_id", "value": "7", "scope": ""}]


def test_without_a_url_nothing_goes_out() -> None:
    message = OutboundMessage(reference="r1", now=now(), text="Hello")
    assert isinstance(ADAPTER.render(message, Person(addresses=()), account()), Unsendable)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b'{"id": "p1"}', Sent("p1")), (204, b"", Sent(None)), (200, b"ok", Sent(None)),
        (429, b"", Retry("status 429", 7)), (503, b"", Unknown("status 503")),
        (422, b"", Rejected("status 422", "422")),
    ],
)  # fmt: skip
def test_an_answer_has_one_meaning(status: int, body: bytes, meaning: object) -> None:
    answer = Answer(status=status, headers={"retry-after": "7"}, body=body)
    assert ADAPTER.interpret(answer) == meaning
