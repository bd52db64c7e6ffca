"""Whatever a verified body has, Meta's adapters report it or reject it with a reason: they never fail."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
    ChannelAdapter,
    Inbound,
    MessageItem,
    UnreadableCallError,
    UnreadableItem,
)
from tests.channels.meta_bodies import (
    INSTAGRAM_CASES,
    MESSENGER_CASES,
    WHATSAPP_CASES,
    instagram_body,
    instagram_message,
    message_event,
    page_body,
    whatsapp_message,
    whatsapp_messages,
    with_text,
)
from tests.channels.meta_calls import ADAPTERS, items_of, only

adapters = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda each: each.provider)
WHATSAPP = ADAPTERS[0]
CASES = {
    "whatsapp_cloud": WHATSAPP_CASES,
    "messenger": MESSENGER_CASES,
    "instagram": INSTAGRAM_CASES,
}

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "\ud800", "\0", "text", "1790000000"])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value within a value."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    return found + [place for key, child in children for place in places(child, (*path, key))]


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return changed


def check(items: list[Inbound]) -> None:
    for item in items:
        if isinstance(item, UnreadableItem):
            assert item.reason
            assert item.raw
        else:
            assert item.provider_id.encode()
            assert item.happened_at is None or 0 < item.happened_at < 253_402_300_800_000_000
            assert item.person is None or item.person.addresses


def read(adapter: ChannelAdapter, body: Any) -> list[Inbound] | None:
    try:
        return items_of(adapter, body)
    except UnreadableCallError:
        return None


@adapters
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_known_body_with_anything_in_any_place_is_read_or_rejected(
    adapter: ChannelAdapter, data: st.DataObject
) -> None:
    body = data.draw(st.sampled_from(CASES[adapter.provider]))
    path = data.draw(st.sampled_from(places(body)))
    items = read(adapter, replaced(body, path, data.draw(values)))
    if items is not None:
        check(items)


NAMELESS = (
    whatsapp_messages(whatsapp_message("text", text={"body": "Hi"}, id="")),
    page_body(message_event("", text="Hi")),
    instagram_body(instagram_message("", text="Hi")),
)


@pytest.mark.parametrize(("adapter", "body"), list(zip(ADAPTERS, NAMELESS, strict=True)))
def test_a_message_with_an_empty_id_is_rejected_as_two_of_them_would_be_one(
    adapter: ChannelAdapter, body: Any
) -> None:
    assert only(UnreadableItem, items_of(adapter, body)).reason == "a message without an id"


@adapters
@settings(max_examples=200, deadline=None)
@given(value=values)
def test_any_json_is_read_or_rejected(adapter: ChannelAdapter, value: Any) -> None:
    check(read(adapter, value) or [])
    envelope = {"object": CASES[adapter.provider][0]["object"], "entry": [value]}
    assert read(adapter, envelope) is not None


@adapters
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"object": "page", "entry": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"null",
        b"{}",
        b'{"object": "page"}',
        b'{"object": "user", "entry": []}',
        b'{"object": "page", "entry": {}}',
        b'{"object": "page", "entry": [NaN]}',
        b'{"object": "page", "entry": []} x',
    ],
)
def test_a_body_that_is_no_webhook_is_unreadable(adapter: ChannelAdapter, body: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        items_of(adapter, body)


@adapters
def test_every_entry_is_read_although_one_is_broken(adapter: ChannelAdapter) -> None:
    for body in CASES[adapter.provider]:
        whole = items_of(adapter, body)
        several = {
            **body,
            "entry": [*body["entry"], {"changes": 5, "messaging": 5}, *body["entry"]],
        }
        items = items_of(adapter, several)
        broken = [item for item in items if isinstance(item, UnreadableItem)]
        assert items == [*whole, *broken, *whole]
        assert [json.loads(each.raw) for each in broken] == [{"changes": 5, "messaging": 5}]


def ids_of(items: list[Inbound]) -> list[str]:
    return sorted(item.provider_id for item in items if not isinstance(item, UnreadableItem))


@adapters
def test_a_redelivery_has_the_same_ids_and_items_of_a_body_have_different_ones(
    adapter: ChannelAdapter,
) -> None:
    for body in CASES[adapter.provider]:
        first = ids_of(items_of(adapter, body))
        reordered = json.dumps(body, sort_keys=True, ensure_ascii=False, indent=1).encode()
        assert ids_of(items_of(adapter, reordered)) == first
        assert len(set(first)) == len(first) > 0


@adapters
def test_a_byte_order_mark_is_no_part_of_the_body(adapter: ChannelAdapter) -> None:
    body = CASES[adapter.provider][0]
    marked = b"\xef\xbb\xbf" + json.dumps(body).encode()
    assert items_of(adapter, marked) == items_of(adapter, body)


@settings(max_examples=300, deadline=None)
@given(text=st.text(), is_ascii=st.booleans())
def test_text_arrives_byte_for_byte(text: str, is_ascii: bool) -> None:
    body = json.dumps(with_text(text), ensure_ascii=is_ascii).encode()
    assert only(MessageItem, items_of(WHATSAPP, body)).text == text


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦 👍🏽 🇩🇪",
        "שלום \u200f\u202eabc\u202c",
        "مرحبا بالعالم",
        "混ぜ書き 漢字 한국어",
        "e\u0301 \u200b\ufeff\u00ad",
        "\x00\x01\x7f\u2028",
        "\\ud83d is no escape",
    ],
)
def test_scripts_and_invisible_characters_arrive_as_they_are(text: str) -> None:
    for is_ascii in (True, False):
        body = json.dumps(with_text(text), ensure_ascii=is_ascii).encode()
        assert only(MessageItem, items_of(WHATSAPP, body)).text == text


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"a\ud800b", "a\ufffdb"),
        (rb"a\udc00b", "a\ufffdb"),
        (rb"\ud800\ud83d\ude00\udfff", "\ufffd\U0001f600\ufffd"),
        (rb"\\\ud800 \\ud800", "\\\ufffd \\ud800"),
    ],
)
def test_a_lone_surrogate_is_replaced_and_the_message_is_kept(escaped: bytes, text: str) -> None:
    body = json.dumps(with_text("PLACE")).encode().replace(b"PLACE", escaped)
    assert only(MessageItem, items_of(WHATSAPP, body)).text == text


@pytest.mark.parametrize(("depth", "is_read"), [(20, True), (30, False), (900, False)])
def test_a_part_that_no_event_can_hold_is_unreadable_alone(depth: int, is_read: bool) -> None:
    raw = json.dumps(with_text("Hi")).encode()
    deep = b'"deep":' + b"[" * depth + b"]" * depth + b","
    [item] = items_of(WHATSAPP, raw.replace(b'"text": {', deep + b'"text": {'))
    assert isinstance(item, MessageItem if is_read else UnreadableItem)


def test_an_integer_beyond_64_bits_is_kept_as_a_string() -> None:
    body = (
        json.dumps(with_text("Hi"))
        .encode()
        .replace(b'"text": {', b'"big": 123456789012345678901234, "text": {')
    )
    item = only(MessageItem, items_of(WHATSAPP, body))
    assert item.payload["whatsapp"]["big"] == "123456789012345678901234"
