"""Only Meta can sign a call, and only we know the verify token."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pywa.utils import webhook_updates_validator

from ingest.channels.base import Account, Call, Challenge, ChannelAdapter, InvalidSignatureError
from tests.channels.meta_calls import ADAPTERS, NOW, account

SECRETS = ("newest secret", "oldest secret", "another secret")
adapters = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def call(body: bytes, header: str | None) -> Call:
    headers = {} if header is None else {"x-hub-signature-256": header}
    return Call(method="POST", url="https://example.org", headers=headers, query={}, body=body)


def is_accepted(adapter: ChannelAdapter, of: Account, body: bytes, header: str | None) -> bool:
    try:
        adapter.verify(call(body, header), of, NOW)
    except InvalidSignatureError:
        return False
    return True


def oracle(body: bytes, header: str) -> bool:
    """pywa's verdict for either secret; its errors mean invalid. It takes a header without prefix: ours does not."""
    if not header.startswith("sha256="):
        return False
    try:
        return any(webhook_updates_validator(secret, body, header) for secret in SECRETS[:2])
    except Exception:
        return False


@st.composite
def signed(draw: st.DrawFn) -> tuple[bytes, str]:
    """A body and a header that is right, or wrong in one of many ways."""
    body = draw(st.binary(max_size=300))
    right = signature(draw(st.sampled_from(SECRETS)), body)
    place = draw(st.integers(0, len(right) - 1))
    character = draw(st.characters())
    wrong = st.sampled_from(
        (
            right.upper(),
            right.removeprefix("sha256="),
            "sha256=" + right,
            right[:place] + character + right[place + 1 :],
            right[:place],
            right + character,
            f" {right}",
            right.replace("sha256", "sha1"),
            "sha256=",
        )
    )
    return body, draw(st.one_of(st.just(right), wrong, st.text(max_size=80)))


@adapters
@settings(max_examples=1000, deadline=None)
@given(case=signed())
def test_the_verdict_is_that_of_an_independent_implementation(
    adapter: ChannelAdapter, case: tuple[bytes, str]
) -> None:
    body, header = case
    assert is_accepted(adapter, account(adapter), body, header) == oracle(body, header)


@adapters
@settings(max_examples=200, deadline=None)
@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_one_changed_bit_of_the_body_or_the_signature_is_rejected(
    adapter: ChannelAdapter, body: bytes, data: st.DataObject
) -> None:
    own = account(adapter)
    header = adapter.sign(body, "application/json", own, NOW).headers["x-hub-signature-256"]
    assert is_accepted(adapter, own, body, header)
    assert not is_accepted(adapter, own, flipped(body, data), header)
    assert not is_accepted(adapter, own, body, flipped(header.encode(), data).decode("latin-1"))


def flipped(content: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@adapters
def test_an_older_secret_is_valid_during_a_rotation(adapter: ChannelAdapter) -> None:
    own = account(adapter)
    assert is_accepted(adapter, own, b"{}", signature("oldest secret", b"{}"))
    assert not is_accepted(adapter, own, b"{}", signature("another secret", b"{}"))


@adapters
def test_a_call_without_a_signature_or_an_account_without_a_secret_is_rejected(
    adapter: ChannelAdapter,
) -> None:
    own = account(adapter)
    bare = Account(account_id="a", provider=adapter.provider, channel="x", address="1")
    assert not is_accepted(adapter, own, b"{}", None)
    assert not is_accepted(adapter, bare, b"{}", signature("", b"{}"))


def challenge(adapter: ChannelAdapter, method: str = "GET", **query: str) -> Challenge | None:
    sent = {f"hub.{name}": value for name, value in query.items()}
    asked = Call(method=method, url="https://example.org", headers={}, query=sent, body=b"")
    return adapter.challenge(asked, account(adapter))


@adapters
@pytest.mark.parametrize("word", ["new word", "old word"])
def test_the_check_of_the_url_is_answered_with_its_challenge(
    adapter: ChannelAdapter, word: str
) -> None:
    answer = challenge(adapter, mode="subscribe", verify_token=word, challenge="1158201444")
    assert answer == Challenge(200, b"1158201444", "text/plain")


@adapters
@pytest.mark.parametrize(
    "query",
    [
        {"mode": "subscribe", "verify_token": "new wor", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "", "challenge": "1"},
        {"mode": "unsubscribe", "verify_token": "new word", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "nëw \ud800", "challenge": "1"},
        {},
    ],
)
def test_a_check_with_another_token_is_rejected(
    adapter: ChannelAdapter, query: dict[str, str]
) -> None:
    with pytest.raises(InvalidSignatureError):
        challenge(adapter, **query)


@adapters
def test_a_post_is_no_check_of_the_url(adapter: ChannelAdapter) -> None:
    assert challenge(adapter, "POST", mode="subscribe", verify_token="new word") is None  # noqa: S106
