"""Slack: our verdict on a signature is that of Slack's SDK."""

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from ingest.channels.base import (
    Account,
    Call,
    InvalidSignatureError,
)
from ingest.channels.slack.adapter import ADAPTER
from tests.channels.slack_calls import ACCOUNT, NOW, SECOND, SIGNING, make_account


class FixedClock(SlackClock):
    """The SDK's clock, at a time that the test chose."""

    def __init__(self, micros: int) -> None:
        self.micros = micros

    def now(self) -> float:
        return self.micros / SECOND


def sdk_accepts(call: Call, secret: str, now: int) -> bool:
    verifier = SignatureVerifier(secret, FixedClock(now))
    try:
        return verifier.is_valid_request(call.body, dict(call.headers))
    except Exception:
        return False


def accepts(call: Call, account: Account, now: int) -> bool:
    try:
        ADAPTER.verify(call, account, now)
    except InvalidSignatureError:
        return False
    return True


def with_header(call: Call, name: str, value: str | None) -> Call:
    headers = {each: text for each, text in call.headers.items() if each != name}
    return msgspec.structs.replace(
        call, headers=headers if value is None else {**headers, name: value}
    )


SIGNATURE, TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
header_texts = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.sampled_from(
        [
            "",
            " ",
            "v0=",
            "v0=" + "0" * 64,
            "1700000000",
            "+1700000000",
            "1_700_000_000",
            "1e9",
            "١٧",
        ]
    ),
)


@settings(max_examples=1000, deadline=None)
@given(
    body=st.binary(max_size=300) | st.text(max_size=80).map(str.encode),
    age=st.integers(-302, 302) | st.integers(-(2**40), 2**40),
    fraction=st.integers(0, SECOND - 1),
    changed=st.sampled_from([None, SIGNATURE, TIMESTAMP]),
    value=header_texts,
    secret=st.sampled_from([SIGNING, "other", "ключ"]),
)
@example(body=b"", age=300, fraction=0, changed=None, value=None, secret=SIGNING)
@example(body=b"\xff", age=0, fraction=0, changed=None, value=None, secret=SIGNING)
@example(body=b"{}", age=0, fraction=0, changed=SIGNATURE, value="v0=é", secret=SIGNING)
def test_our_verdict_is_that_of_the_sdk(
    body: bytes, age: int, fraction: int, changed: str | None, value: str | None, secret: str
) -> None:
    call = ADAPTER.sign(body, "application/json", make_account(secret), NOW - age * SECOND)
    call = with_header(call, changed, value) if changed else call
    now = NOW + fraction
    assert accepts(call, ACCOUNT, now) == sdk_accepts(call, SIGNING, now)


@pytest.mark.parametrize("age", [-301, -300, -299, 0, 299, 300, 301])
def test_a_call_is_valid_for_five_minutes_before_and_after(age: int) -> None:
    call = ADAPTER.sign(b"{}", "application/json", ACCOUNT, NOW - age * SECOND)
    assert accepts(call, ACCOUNT, NOW) == (abs(age) <= 300)
    assert sdk_accepts(call, SIGNING, NOW) == (abs(age) <= 300)


def test_each_flipped_bit_of_body_signature_or_timestamp_is_invalid() -> None:
    call = ADAPTER.sign(b'{"type":"event_callback"}', "application/json", ACCOUNT, NOW)
    assert accepts(call, ACCOUNT, NOW)
    for position in range(len(call.body) * 8):
        body = bytearray(call.body)
        body[position // 8] ^= 1 << position % 8
        assert not accepts(msgspec.structs.replace(call, body=bytes(body)), ACCOUNT, NOW)
    for name in (SIGNATURE, TIMESTAMP):
        value = call.headers[name]
        for position in range(len(value) * 7):
            index, bit = divmod(position, 7)
            flipped = value[:index] + chr(ord(value[index]) ^ 1 << bit) + value[index + 1 :]
            assert not accepts(with_header(call, name, flipped), ACCOUNT, NOW)
        assert not accepts(with_header(call, name, None), ACCOUNT, NOW)


def test_during_a_rotation_the_new_and_the_old_secret_are_valid() -> None:
    both = make_account("new", "old")
    for secret in ("new", "old"):
        call = ADAPTER.sign(b"{}", "application/json", make_account(secret), NOW)
        assert accepts(call, both, NOW)
    assert not accepts(ADAPTER.sign(b"{}", "", make_account("older"), NOW), both, NOW)
    assert ADAPTER.sign(b"{}", "", both, NOW) == ADAPTER.sign(b"{}", "", make_account("new"), NOW)


def test_an_account_without_a_usable_secret_accepts_nothing() -> None:
    call = ADAPTER.sign(b"{}", "", make_account(""), NOW)
    assert not accepts(call, make_account("", " "), NOW)
    assert not accepts(call, msgspec.structs.replace(ACCOUNT, secrets={}), NOW)
