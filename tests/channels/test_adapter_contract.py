"""The contract of every provider: what it verifies is unchanged, and what it reads never costs the process."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.channels import base
from ingest.channels.base import (
    Account,
    Call,
    ChannelAdapter,
    InvalidSignatureError,
    UnreadableCallError,
)
from ingest.channels.registry import ADAPTERS, accepted_answer, max_body_bytes
from tests.channels.accounts import BODIES, make_account

NOW = 1_900_000_000_000_000

ITEMS = (
    base.MessageItem, base.EditItem, base.DeletionItem, base.ReactionItem, base.ReceiptItem,
    base.WatermarkItem, base.TypingItem, base.AddressChangeItem, base.OtherItem, base.UnreadableItem,
)  # fmt: skip

pytestmark = pytest.mark.parametrize("provider", sorted(ADAPTERS))


def is_valid(adapter: ChannelAdapter, call: Call, account: Account) -> bool:
    try:
        adapter.verify(call, account, NOW)
    except InvalidSignatureError:
        return False
    return True


def signed(provider: str, number: int = 0) -> tuple[ChannelAdapter, Account, Call]:
    adapter, account = ADAPTERS[provider], make_account(provider)
    content_type, body = BODIES[provider][number]
    return adapter, account, adapter.sign(body, content_type, account, NOW)


def read(adapter: ChannelAdapter, call: Call, account: Account) -> list[object]:
    """Return the items; fail on any error but UnreadableCallError."""
    try:
        return list(adapter.parse(call, account))
    except UnreadableCallError:
        return []


def test_an_adapter_describes_itself(provider: str) -> None:
    adapter = ADAPTERS[provider]
    assert adapter.provider == provider
    assert adapter.channels
    assert adapter.inbound_kinds
    assert adapter.title
    assert adapter.redelivery.endswith(".")
    assert max_body_bytes(adapter) > 0
    assert accepted_answer(adapter).status == 200


def test_what_an_adapter_signs_it_verifies(provider: str) -> None:
    for number in range(len(BODIES[provider])):
        adapter, account, call = signed(provider, number)
        assert is_valid(adapter, call, account)
        items = read(adapter, call, account)
        assert items
        assert all(isinstance(each, ITEMS) for each in items)


def test_a_call_for_another_account_is_invalid(provider: str) -> None:
    adapter, account, call = signed(provider)
    others = {name: ["x" * 40] for name in account.secrets}
    assert not is_valid(adapter, call, msgspec.structs.replace(account, secrets=others))
    assert not is_valid(adapter, call, msgspec.structs.replace(account, secrets={}))


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_secret_verifies_nothing(provider: str, blank: str) -> None:
    adapter, account, call = signed(provider)
    of = msgspec.structs.replace(account, secrets={name: [blank] for name in account.secrets})
    assert not is_valid(adapter, call, of)
    if provider not in KEY_PAIRS:
        assert not is_valid(adapter, adapter.sign(call.body, "text/plain", of, NOW), of)


def test_a_call_without_its_headers_is_invalid(provider: str) -> None:
    adapter, account, call = signed(provider)
    bare = {name: value for name, value in call.headers.items() if name == "content-type"}
    if bare != call.headers:
        assert not is_valid(adapter, msgspec.structs.replace(call, headers=bare), account)


def test_one_changed_bit_in_a_header_that_proves_the_call_is_invalid(provider: str) -> None:
    adapter, account, call = signed(provider)
    for name, value in call.headers.items():
        if name == "content-type":
            continue
        for place in range(len(value)):
            for bit in range(7):
                other = value[:place] + chr(ord(value[place]) ^ 1 << bit) + value[place + 1 :]
                if other.lower() == value.lower() or other.strip() == value:
                    continue
                changed = msgspec.structs.replace(call, headers={**call.headers, name: other})
                assert not is_valid(adapter, changed, account), (name, place, bit)


KEY_PAIRS = frozenset({"sendgrid", "webhook"})
"""Providers whose secrets have a format, so that a blank one cannot sign."""

BODY_IS_NOT_SIGNED = frozenset({"telegram", "mailgun", "postmark", "email"})
"""Providers that prove who calls, and not what the call says."""


def test_one_changed_bit_in_the_body_is_invalid(provider: str) -> None:
    if provider in BODY_IS_NOT_SIGNED:
        pytest.skip("the provider does not sign the body")
    adapter, account, call = signed(provider)
    for place in range(0, len(call.body), max(1, len(call.body) // 200)):
        body = bytearray(call.body)
        body[place] ^= 1 << place % 8
        assert not is_valid(adapter, msgspec.structs.replace(call, body=bytes(body)), account)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.binary(max_size=300), st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4)
)
def test_a_strange_call_is_invalid_and_raises_nothing_else(
    provider: str, body: bytes, headers: dict[str, str]
) -> None:
    _, account, call = signed(provider)
    strange = {**dict.fromkeys(call.headers, "é\udc80 1,2="), **headers}
    odd = Call(method="POST", url="https://x/?a=%zz", headers=strange, query={}, body=body)
    assert not is_valid(ADAPTERS[provider], odd, account)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_body_with_any_value_in_any_place_is_read_or_unreadable(
    provider: str, data: st.DataObject
) -> None:
    content_type, body = data.draw(st.sampled_from(BODIES[provider]))
    if "json" in content_type:
        tree = msgspec.json.decode(body)
        body = msgspec.json.encode(_replaced(tree, data))
    else:
        place = data.draw(st.integers(0, len(body)))
        body = (
            body[:place]
            + data.draw(st.binary(max_size=20))
            + body[place + data.draw(st.integers(0, 9)) :]
        )
    account = make_account(provider)
    call = Call(
        method="POST", url="https://x/", headers={"content-type": content_type}, query={}, body=body
    )
    read(ADAPTERS[provider], call, account)


def _replaced(tree: object, data: st.DataObject) -> object:
    """Return the tree with one value, key or element replaced."""
    if isinstance(tree, dict) and tree and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(tree)))
        return {**tree, name: _replaced(tree[name], data)}
    if isinstance(tree, list) and tree and data.draw(st.booleans()):
        number = data.draw(st.integers(0, len(tree) - 1))
        return [*tree[:number], _replaced(tree[number], data), *tree[number + 1 :]]
    return data.draw(JSON)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"null", b"[" * 200_000, b'{"a":' * 100_000, b"a=" * 100_000, b"%" * 1000,
        b'{"items":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", b"\0" * 1000, b'"\\ud800"', b"9" * 100_000,
    ],
    ids=range(12),
)  # fmt: skip
def test_a_bomb_is_unreadable_and_costs_no_time(provider: str, body: bytes) -> None:
    account = make_account(provider)
    for content_type in (
        "application/json",
        "application/x-www-form-urlencoded",
        "message/rfc822",
        "",
    ):
        call = Call(
            method="POST",
            url="https://x/",
            headers={"content-type": content_type},
            query={},
            body=body,
        )
        read(ADAPTERS[provider], call, account)
