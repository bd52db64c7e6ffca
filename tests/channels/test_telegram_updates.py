"""Telegram: edits, buttons, reactions, unknown and broken updates, and recorded ones."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from ingest.channels.base import (
    Address,
    DeletionItem,
    EditItem,
    MessageItem,
    OtherItem,
    ReactionItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.telegram.adapter import ADAPTER
from tests.channels.changed_bodies import changed_bodies
from tests.channels.recorded import recorded
from tests.channels.telegram_calls import (
    ACCOUNT,
    ADA,
    ADA_PERSON,
    GROUP,
    HEART,
    MEDIA,
    NOW,
    PRIVATE,
    SECOND,
    THUMB,
    message,
    read,
    read_one,
)


@pytest.mark.parametrize(
    "kind", ["edited_message", "edited_channel_post", "edited_business_message"]
)
@pytest.mark.parametrize("name", ["text", "caption"])
def test_an_edit_has_the_new_text(kind: str, name: str) -> None:
    item = read_one(kind, message(edit_date=1_700_000_009, **{name: "new"}))
    assert item == EditItem(
        provider_id="update/7",
        person=ADA_PERSON,
        happened_at=1_700_000_009 * SECOND,
        thread=("23",),
        message="23/5",
        text="new",
    )


def test_an_edit_without_text_is_kept() -> None:
    item = read_one("edited_message", message(location={"latitude": 1.5}))
    assert (item.kind, item.provider_id, item.data["location"]) == (
        "edited_message",
        "update/7",
        {"latitude": 1.5},
    )


def test_a_pressed_button_is_a_message_with_its_words() -> None:
    keyboard = {
        "inline_keyboard": [
            [{"text": "No", "callback_data": "n"}],
            [{"text": "Yes", "callback_data": "y"}],
        ]
    }
    query = {
        "id": "99",
        "from": ADA,
        "message": message(text="Sure?", reply_markup=keyboard),
        "chat_instance": "1",
        "data": "y",
    }
    assert read_one("callback_query", query) == MessageItem(
        provider_id="callback/99",
        person=ADA_PERSON,
        thread=("23",),
        author_name="Ada L",
        text="Yes",
        in_reply_to="23/5",
        payload={"action": {"value": "y"}},
    )
    assert read_one("callback_query", {**query, "data": "other"}).text == "other"
    inline = read_one(
        "callback_query", {"id": "99", "from": ADA, "inline_message_id": "i", "data": "y"}
    )
    assert (inline.text, inline.thread, inline.in_reply_to) == ("y", (), None)
    game = read_one("callback_query", {"id": "99", "from": ADA, "game_short_name": "g"})
    assert (game.kind, game.person) == ("callback_query", ADA_PERSON)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [([], [THUMB], "👍"), ([THUMB], [], None), ([THUMB], [THUMB, HEART], "❤"), ([THUMB, HEART], [HEART], "❤"), ([], [{"type": "custom_emoji", "custom_emoji_id": "5"}], "custom_emoji:5"), ([], [{"type": "paid"}], "paid")],
)  # fmt: skip
def test_a_reaction_is_the_one_that_was_added(
    old: list[Any], new: list[Any], expected: str | None
) -> None:
    event = {
        "chat": GROUP,
        "message_id": 5,
        "user": ADA,
        "date": 1_700_000_000,
        "old_reaction": old,
        "new_reaction": new,
    }
    assert read_one("message_reaction", event) == ReactionItem(
        provider_id="update/7",
        person=ADA_PERSON,
        happened_at=NOW,
        thread=("-100",),
        message="-100/5",
        reaction=expected,
    )


def test_an_anonymous_reaction_is_that_of_the_chat() -> None:
    event = {
        "chat": GROUP,
        "message_id": 5,
        "actor_chat": GROUP,
        "date": 1,
        "old_reaction": [],
        "new_reaction": [THUMB],
    }
    assert read_one("message_reaction", event).person.addresses == (
        Address("telegram_user", "-100"),
    )


def test_messages_deleted_from_a_business_account_are_deletions() -> None:
    deleted = {"business_connection_id": "bc1", "chat": PRIVATE, "message_ids": [4, 5]}
    items = read(json.dumps({"update_id": 7, "deleted_business_messages": deleted}).encode())
    assert [
        (each.provider_id, each.message, each.thread)
        for each in items
        if isinstance(each, DeletionItem)
    ] == [
        ("update/7/4", "23/4", ("23@bc1",)),
        ("update/7/5", "23/5", ("23@bc1",)),
    ]


@pytest.mark.parametrize(
    ("kind", "content", "user"),
    [
        ("poll", {"id": "1", "question": "?"}, None),
        ("poll_answer", {"poll_id": "1", "user": ADA, "option_ids": [0]}, "23"),
        ("poll_answer", {"poll_id": "1", "voter_chat": GROUP, "option_ids": []}, "-100"),
        (
            "my_chat_member",
            {"chat": PRIVATE, "from": ADA, "date": 1, "new_chat_member": {"status": "kicked"}},
            "23",
        ),
        ("inline_query", {"id": "1", "from": ADA, "query": "q"}, "23"),
        ("future_update", {"anything": [1, {"a": None}]}, None),
    ],
)
def test_other_updates_are_kept_under_their_names(
    kind: str, content: dict[str, Any], user: str | None
) -> None:
    item = read_one(kind, content)
    assert isinstance(item, OtherItem)
    assert (item.kind, item.provider_id, item.data) == (kind, "update/7", content)
    assert (item.person.addresses[0].value if item.person else None) == user


def test_one_broken_part_of_an_update_does_not_cost_the_other() -> None:
    body = b'{"update_id": 1, "message": {"message_id": "x"}, "poll": {"id": "1"}, "edited_message": 5}'
    first, second, third = read(body)
    assert isinstance(first, UnreadableItem)
    assert (first.reason, first.raw) == (
        "Expected int, got str at $.message_id",
        b'{"message_id": "x"}',
    )
    assert isinstance(second, OtherItem)
    assert isinstance(third, UnreadableItem)


def test_an_update_without_content_is_kept() -> None:
    (item,) = read(b'\xef\xbb\xbf {"update_id": 1}')
    assert isinstance(item, OtherItem)
    assert item.kind == "empty_update"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"5", b'{"update_id": true}', b'{"update_id": -1}', b'{"update_id": "1"}', b'{"message": {}}', b"\xff", b"[" * 100_000, b'{"update_id": NaN}'])  # fmt: skip
def test_a_body_that_is_no_update_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        read(body)


def test_deep_and_invalid_parts_are_kept_as_unreadable() -> None:
    parts = (
        b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}",
        b'{"a": "\xff"}',
        b'{"a": 1' + b"0" * 40 + b"}",
    )
    for part in parts:
        (item,) = read(b'{"update_id": 1, "poll": ' + part + b"}")
        assert isinstance(item, UnreadableItem)
        assert item.raw == part


CALLS = [
    {"update_id": 1, "message": message(text="a", reply_to_message=message(), entities=[{"offset": 0}])},
    {"update_id": 2, "message": message(photo=MEDIA["photo"][0], caption="c", media_group_id="1")},
    {"update_id": 3, "channel_post": message(sender_chat=GROUP, chat=GROUP, sticker=MEDIA["sticker"][0])},
    {"update_id": 4, "edited_message": message(text="b", edit_date=5)},
    {"update_id": 5, "callback_query": {"id": "1", "from": ADA, "data": "d", "message": message(reply_markup={"inline_keyboard": [[{"text": "t", "callback_data": "d"}]]})}},
    {"update_id": 6, "message_reaction": {"chat": GROUP, "message_id": 1, "user": ADA, "date": 1, "old_reaction": [THUMB], "new_reaction": [HEART]}},
    {"update_id": 7, "deleted_business_messages": {"business_connection_id": "b", "chat": PRIVATE, "message_ids": [1]}},
    {"update_id": 9, "guest_message": message(rich_message={"blocks": [{"text": ["a", {"text": "b"}]}]})},
    {"update_id": 8, "my_chat_member": {"chat": GROUP, "from": ADA, "date": 1}},
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(body=changed_bodies(CALLS))
def test_any_body_gives_items_or_one_error(body: bytes) -> None:
    try:
        items = list(ADAPTER.parse(ADAPTER.sign(body, "", ACCOUNT, NOW), ACCOUNT))
    except UnreadableCallError:
        return
    msgspec.json.encode(items)


def is_update(content: dict[str, Any]) -> bool:
    return "update_id" in content


def wrapped(content: dict[str, Any]) -> dict[str, Any]:
    """Return the update that would carry an inner object; its fields tell which kind it is."""
    if "message_id" in content and "date" in content and "new_reaction" not in content:
        return {"update_id": 1, "message": content}
    marks = {
        "new_reaction": "message_reaction",
        "poll_id": "poll_answer",
        "question": "poll",
        "chat_instance": "callback_query",
    }
    kind = next(kind for mark, kind in marks.items() if mark in content)
    return {"update_id": 1, kind: content}


def check_message(item: Any, content: dict[str, Any]) -> None:
    author = content.get("sender_chat") or content.get("from") or content["chat"]
    assert item.person.addresses == (Address("telegram_user", str(author["id"])),)
    assert item.happened_at == (content["date"] * SECOND or None)
    assert item.provider_id == f"{content['chat']['id']}/{content['message_id']}"
    files = {"photo", "video", "audio", "document", "sticker"} & set(content)
    if {"text", "caption", "location", "dice"} & set(content) or files:
        emoji = content.get("dice", {}).get("emoji")
        assert item.text == content.get("text", content.get("caption", emoji))
        sizes = [
            content["photo"][-1]["file_size"] if name == "photo" else content[name]["file_size"]
            for name in files
        ]
        assert [each.size for each in item.attachments if each.size] == sizes
        assert item.text or item.attachments
    else:
        assert isinstance(item, OtherItem)
        assert item.kind in {*content, "empty_message"}


def check(item: Any, update: dict[str, Any]) -> None:
    kind, content = next((name, value) for name, value in update.items() if name != "update_id")
    if kind == "message":
        check_message(item, content)
    elif kind == "edited_message":
        assert item.text == content.get("text", content.get("caption"))
        assert item.message == f"{content['chat']['id']}/{content['message_id']}"
        assert item.happened_at == content["edit_date"] * SECOND
    elif kind == "callback_query":
        assert (item.text, item.provider_id) == (content["data"], f"callback/{content['id']}")
        assert item.person.addresses[0].value == str(content["from"]["id"])
    elif kind == "message_reaction":
        actor = content.get("user") or content["actor_chat"]
        assert item.person.addresses[0].value == str(actor["id"])
        assert item.reaction == next((each["emoji"] for each in content["new_reaction"]), None)
    else:
        actor = content.get("user") or content.get("voter_chat")
        assert (item.kind, item.data) == (kind, content)
        assert (item.person is None) == (actor is None)


@pytest.mark.parametrize("path", recorded("telegram"), ids=lambda path: path.name)
def test_a_recorded_update_is_read_right_and_an_inner_object_is_no_update(path: Path) -> None:
    raw = path.read_bytes()
    content = json.loads(raw)
    if not is_update(content):
        with pytest.raises(UnreadableCallError, match="no update_id"):
            read(raw)
        content = wrapped(content)
        raw = json.dumps(content).encode()
    (item,) = read(raw)
    check(item, content)
