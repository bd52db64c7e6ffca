"""Whatever a call or an answer has, an adapter says what it means, and fails in no other way."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
    Account,
    Answer,
    Call,
    ChannelAdapter,
    InvalidSignatureError,
    Retry,
    UnreadableCallError,
)
from ingest.channels.line import adapter as line
from ingest.channels.twilio import adapter as twilio
from ingest.channels.vonage import adapter as vonage

ADAPTERS: tuple[ChannelAdapter, ...] = (twilio.ADAPTER, vonage.ADAPTER, line.ADAPTER)
NAMES = [
    "authorization",
    "content-type",
    "x-twilio-signature",
    "x-twilio-webhooks-signature-settings",
    "x-line-signature",
]
VALUES = [
    "",
    "Bearer a.b.c",
    "Bearer ",
    "application/x-www-form-urlencoded",
    "application/json",
    "key=k,algorithm=x",
]
URLS = [
    "",
    "https://a.example/?bodySHA256=0&a=%ff",
    "https://[a",
    "https://a:99999/?a=b",
    "//\ud800?\ud800=1",
]

calls = st.builds(
    Call,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    url=st.sampled_from(URLS) | st.text(max_size=20),
    headers=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=20)),
    query=st.just({}),
    body=st.binary(max_size=30),
)
answers = st.builds(
    Answer,
    status=st.integers(100, 599),
    headers=st.dictionaries(st.just("retry-after"), st.text(max_size=5) | st.just("9" * 30)),
    body=st.binary(max_size=10)
    | st.sampled_from([b"[]", b'{"code":[]}', b'{"sentMessages":[1]}', b'{"type":1,"message":{}}']),
)


def account(adapter: ChannelAdapter) -> Account:
    return Account(
        account_id="a",
        provider=adapter.provider,
        channel=adapter.channels[0],
        address="+15005550006",
        secrets={field.name: ["secret"] for field in adapter.secrets},
    )


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)
@settings(max_examples=300, deadline=None)
@given(call=calls)
def test_an_arbitrary_call_is_invalid_or_unreadable_or_read(
    adapter: ChannelAdapter, call: Call
) -> None:
    of = account(adapter)
    with pytest.raises(InvalidSignatureError):
        adapter.verify(call, of, 0)
    try:
        items = list(adapter.parse(call, of))
    except UnreadableCallError:
        return
    assert items == list(adapter.parse(call, of))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)
@settings(max_examples=300, deadline=None)
@given(answer=answers)
def test_an_arbitrary_answer_means_something(adapter: ChannelAdapter, answer: Answer) -> None:
    meaning = adapter.interpret(answer)
    if isinstance(meaning, Retry) and meaning.after is not None:
        assert 0 <= meaning.after <= 86_400


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)
def test_no_provider_checks_its_url_unsigned(adapter: ChannelAdapter) -> None:
    call = adapter.sign(b"{}", "application/json", account(adapter), 1_790_000_000_000_000)
    assert adapter.challenge(call, account(adapter)) is None
    adapter.verify(call, account(adapter), 1_790_000_000_000_000)
    other = msgspec.structs.replace(account(adapter), secrets={})
    with pytest.raises(InvalidSignatureError):
        adapter.verify(call, other, 1_790_000_000_000_000)
