"""Telegram: only calls with the secret are read, each update is read right, and a message reaches its chat."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
    Account,
    Address,
    ChannelAdapter,
    Choice,
    DeletionItem,
    EditItem,
    Inbound,
    Interpretation,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    OutboundMessage,
    Person,
    ReactionItem,
    Rejected,
    Retry,
    Sent,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.telegram import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.changed_bodies import changed_bodies
from tests.channels.stand_ins.loopback import Reply, send
from tests.channels.stand_ins.telegram import TOKEN, TelegramApi, telegram_api

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
HEADER = "x-telegram-bot-api-secret-token"
FILES = Path(__file__).parents[3] / "shared/data/C_webhooks/telegram"
TEXTS = (
    "👩🏽\u200d🚀 hé",
    "שלום \u202eabc\u202c",
    "漢字かな한글",
    "a\u200bb\ufeff",
    "\U0001f1e9\U0001f1ea e\u0301",
)


def make_account(*secrets: str, **options: str) -> Account:
    return Account(
        account_id="acc",
        provider="telegram",
        channel="telegram",
        address="shop_bot",
        options=options,
        secrets={"secret_token": secrets or ("good_Token-1",), "bot_token": (TOKEN,)},
    )


ACCOUNT = make_account()
ADA = {
    "id": 23,
    "is_bot": False,
    "first_name": "Ada",
    "last_name": "L",
    "username": "ada",
    "language_code": "en",
}
PRIVATE = {"id": 23, "type": "private", "first_name": "Ada", "last_name": "L", "username": "ada"}
GROUP = {"id": -100, "type": "supergroup", "title": "Shop"}
ADA_PERSON = Person(
    addresses=(Address("telegram_user", "23"),),
    name="Ada L",
    attributes={"username": "ada", "language_code": "en"},
)


def read(body: bytes) -> list[Inbound]:
    call = ADAPTER.sign(body, "application/json", ACCOUNT, NOW)
    ADAPTER.verify(call, ACCOUNT, NOW)
    return list(ADAPTER.parse(call, ACCOUNT))


def read_one(kind: str, content: Any) -> Any:
    (item,) = read(json.dumps({"update_id": 7, kind: content}).encode())
    return item


def message(**fields: Any) -> dict[str, Any]:
    given = {"message_id": 5, "from": ADA, "chat": PRIVATE, "date": 1_700_000_000}
    return {name: value for name, value in {**given, **fields}.items() if value is not None}


def test_the_adapter_fulfils_the_protocol() -> None:
    adapter: ChannelAdapter = ADAPTER
    assert adapter.provider == "telegram"


# Verification


def accepts(header: str | None, account: Account = ACCOUNT) -> bool:
    call = ADAPTER.sign(b"{}", "application/json", ACCOUNT, NOW)
    call = msgspec.structs.replace(call, headers={} if header is None else {HEADER: header})
    try:
        ADAPTER.verify(call, account, NOW)
    except InvalidSignatureError:
        return False
    return True


def test_only_the_secret_token_is_valid() -> None:
    assert accepts("good_Token-1")
    for wrong in (
        None,
        "",
        "good_Token-",
        "good_Token-1 ",
        "GOOD_TOKEN-1",
        "good_Token-2",
        "é",
        "\ud800",
        "?",
    ):
        assert not accepts(wrong), wrong


def test_each_flipped_bit_of_the_token_is_invalid() -> None:
    token = "good_Token-1"  # noqa: S105 (of the test alone)
    for position in range(len(token) * 7):
        index, bit = divmod(position, 7)
        assert not accepts(token[:index] + chr(ord(token[index]) ^ 1 << bit) + token[index + 1 :])


def test_during_a_rotation_the_new_and_the_old_token_are_valid() -> None:
    both = make_account("new", "old")
    assert accepts("new", both)
    assert accepts("old", both)
    assert not accepts("older", both)
    assert ADAPTER.sign(b"{}", "", both, NOW).headers[HEADER] == "new"


def test_an_account_without_a_token_accepts_nothing() -> None:
    assert not accepts("", make_account(""))
    assert not accepts("x", msgspec.structs.replace(ACCOUNT, secrets={}))


@settings(max_examples=300, deadline=None)
@given(header=st.none() | st.text(max_size=20) | st.sampled_from(["good_Token-1"]))
def test_the_verdict_is_that_of_a_plain_comparison(header: str | None) -> None:
    assert accepts(header) == (header == "good_Token-1")


def test_telegram_has_no_challenge() -> None:
    assert ADAPTER.challenge(ADAPTER.sign(b"{}", "", ACCOUNT, NOW), ACCOUNT) is None


# Messages


def test_a_message_has_its_sender_time_id_and_thread() -> None:
    assert read_one("message", message(text="hello")) == MessageItem(
        provider_id="23/5",
        person=ADA_PERSON,
        happened_at=NOW,
        thread=("23",),
        author_name="Ada L",
        text="hello",
    )


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_text_is_exact_to_the_byte(text: str, is_ascii: bool) -> None:
    update = {"update_id": 1, "message": message(text=text)}
    (item,) = read(json.dumps(update, ensure_ascii=is_ascii).encode())
    assert isinstance(item, MessageItem)
    assert item.text == text


def test_in_a_group_the_person_writes_and_the_chat_is_the_thread() -> None:
    item = read_one("message", message(chat=GROUP, text="hi"))
    assert (item.provider_id, item.person, item.thread) == ("-100/5", ADA_PERSON, ("-100",))
    topic = read_one(
        "message", message(chat=GROUP, text="hi", message_thread_id=9, is_topic_message=True)
    )
    assert topic.thread == ("-100:9",)
    reply_thread = read_one("message", message(chat=GROUP, text="hi", message_thread_id=9))
    assert reply_thread.thread == ("-100",)


def test_a_chat_may_speak_for_its_members() -> None:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    item = read_one(
        "message", message(chat=GROUP, sender_chat=GROUP, **{"from": anonymous}, text="x")
    )
    assert item.author == "customer"
    assert item.person == Person(addresses=(Address("telegram_user", "-100"),), name="Shop")
    post = read_one(
        "channel_post",
        message(chat=GROUP, sender_chat=GROUP, **{"from": None}, text="x", author_signature="Bo"),
    )
    assert (post.person, post.author_name) == (item.person, "Bo")


def test_a_bot_is_no_customer() -> None:
    bot = {"id": 9, "is_bot": True, "first_name": "Bot"}
    assert read_one("message", message(chat=GROUP, **{"from": bot}, text="x")).author == "bot"


def test_a_reply_names_the_message_that_it_answers() -> None:
    answered = message(message_id=4, text="q")
    assert read_one("message", message(text="a", reply_to_message=answered)).in_reply_to == "23/4"
    root = message(chat=GROUP, message_id=9)
    topic = message(
        chat=GROUP, text="a", reply_to_message=root, message_thread_id=9, is_topic_message=True
    )
    assert read_one("message", topic).in_reply_to is None


def test_a_business_account_has_customers_and_echoes_of_its_owner() -> None:
    received = read_one("business_message", message(text="hi", business_connection_id="bc1"))
    assert (received.author, received.person, received.thread) == (
        "customer",
        ADA_PERSON,
        ("23@bc1",),
    )
    owner = {"id": 77, "is_bot": False, "first_name": "Owner"}
    echo = read_one(
        "business_message", message(text="yes", business_connection_id="bc1", **{"from": owner})
    )
    assert (echo.author, echo.author_name) == ("agent", "Owner")
    assert echo.person.addresses == (Address("telegram_user", "23"),)
    by_bot = read_one(
        "business_message",
        message(
            text="yes",
            business_connection_id="bc1",
            **{"from": owner},
            sender_business_bot={"id": 9},
        ),
    )
    assert by_bot.author == "bot"


MEDIA: dict[str, tuple[Any, Attachment]] = {
    "photo": ([{"file_id": "s", "width": 90, "height": 67, "file_size": 1}, {"file_id": "l", "width": 900, "height": 670, "file_size": 9}, {"file_id": "m", "width": 320, "height": 239, "file_size": 5}], Attachment(content_type="image/jpeg", size=9)),
    "video": ({"file_id": "v", "mime_type": "video/quicktime", "file_name": "a.mov", "file_size": 3}, Attachment(content_type="video/quicktime", size=3, name="a.mov")),
    "voice": ({"file_id": "o", "duration": 2}, Attachment(content_type="audio/ogg")),
    "audio": ({"file_id": "a", "mime_type": "audio/mpeg"}, Attachment(content_type="audio/mpeg")),
    "document": ({"file_id": "d", "file_name": "a.bin"}, Attachment(name="a.bin")),
    "sticker": ({"file_id": "t", "emoji": "😡", "is_animated": True, "is_video": False}, Attachment(content_type="application/x-tgsticker")),
    "video_note": ({"file_id": "n"}, Attachment(content_type="video/mp4")),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEDIA)
def test_a_file_is_an_attachment_with_its_file_id(kind: str) -> None:
    content, attachment = MEDIA[kind]
    item = read_one("message", message(caption="see", **{kind: content}))
    assert (item.text, item.attachments) == ("see", (attachment,))
    file_id = "l" if kind == "photo" else content["file_id"]
    assert [(each["kind"], each["file_id"]) for each in item.payload["media"]] == [(kind, file_id)]


def test_a_rich_message_has_the_words_of_its_blocks() -> None:
    blocks = [
        {"type": "heading", "text": "Order"},
        {"type": "paragraph", "text": ["No. ", {"type": "bold", "text": "12"}, " 漢"]},
        {"type": "divider"},
        {"type": "list", "items": [{"blocks": [{"type": "paragraph", "text": "tea"}]}]},
    ]
    item = read_one("guest_message", message(rich_message={"blocks": blocks}))
    assert (item.text, item.provider_id) == ("Order\nNo. 12 漢\ntea", "23/5")
    edit = read_one("edited_message", message(rich_message={"blocks": blocks[:1]}))
    assert edit.text == "Order"
    empty = read_one("message", message(rich_message={"blocks": [{"type": "divider"}]}))
    assert empty.kind == "rich_message"


def test_an_animation_is_one_file_though_telegram_names_it_twice() -> None:
    item = read_one("message", message(animation={"file_id": "g"}, document={"file_id": "g"}))
    assert item.attachments == (Attachment(content_type="video/mp4"),)


PLACE = {"latitude": 37.7893768, "longitude": -122.25}


@pytest.mark.parametrize(
    ("facts", "text", "attachments"),
    [
        ({"location": PLACE}, None, (Attachment(url="geo:37.7893768,-122.25"),)),
        ({"location": PLACE, "venue": {"title": "Pier", "location": PLACE}}, None, (Attachment(url="geo:37.7893768,-122.25", name="Pier"),)),
        ({"contact": {"phone_number": "+49", "first_name": "B", "last_name": "C"}}, None, (Attachment(content_type="text/vcard", name="B C"),)),
        ({"dice": {"emoji": "🎲", "value": 2}}, "🎲", ()),
        ({"poll": {"id": "1", "question": "Tea?", "options": [{"text": "Yes"}, {"text": "No"}]}}, "Tea?\nYes\nNo", ()),
        ({"checklist": {"title": "Trip", "tasks": [{"id": 1, "text": "pack"}]}}, "Trip\npack", ()),
    ],
)  # fmt: skip
def test_other_content_has_words_or_an_attachment_and_is_in_the_payload(
    facts: dict[str, Any], text: str | None, attachments: tuple[Attachment, ...]
) -> None:
    item = read_one("message", message(**facts))
    assert (item.text, item.attachments, item.payload) == (text, attachments, facts)


def test_albums_and_forwards_are_marked() -> None:
    origin = {"type": "hidden_user", "sender_user_name": "x"}
    item = read_one("message", message(text="a", media_group_id="12", forward_origin=origin))
    assert item.payload == {"media_group_id": "12", "forward_origin": origin}


@pytest.mark.parametrize(
    "kind",
    [
        "pinned_message",
        "new_chat_members",
        "chat_shared",
        "migrate_to_chat_id",
        "story",
        "future_thing",
    ],
)
def test_a_service_message_is_kept_under_its_name(kind: str) -> None:
    item = read_one("message", message(chat=GROUP, **{kind: 7}))
    assert isinstance(item, OtherItem)
    assert (item.kind, item.provider_id, item.person) == (kind, "-100/5", ADA_PERSON)
    assert item.data[kind] == 7


def test_a_message_without_content_is_kept() -> None:
    item = read_one("message", message(date=0))
    assert (item.kind, item.happened_at) == ("empty_message", None)


def test_a_redelivery_is_the_same_message_and_each_chat_has_its_own() -> None:
    body = json.dumps({"update_id": 1, "message": message(text="a")}).encode()
    assert read(body) == read(body)
    assert read_one("message", message(text="a", chat=GROUP)).provider_id != "23/5"


# Changes and the rest


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


THUMB, HEART = {"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "❤"}


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


# Real calls


def real_files() -> list[Path]:
    return sorted(path for path in FILES.rglob("*") if path.is_file())


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


@pytest.mark.skipif(not FILES.exists(), reason="the recorded calls are not here")
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
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


# Sending


@pytest.fixture(scope="module")
def server() -> Iterator[TelegramApi]:
    with telegram_api() as api:
        yield api


@pytest.fixture
def api(server: TelegramApi) -> TelegramApi:
    url, path = server.url, server.path
    server.__init__()  # type: ignore[misc]
    server.url, server.path = url, path
    return server


def post(api: TelegramApi, account: Account | None = None, **fields: Any) -> list[Interpretation]:
    out = OutboundMessage(reference="ref-1", now=NOW, **fields)
    requests = ADAPTER.render(out, ADA_PERSON, account or make_account(api_url=api.url))
    assert not isinstance(requests, Unsendable), requests
    return [ADAPTER.interpret(send(each)) for each in requests]


def test_a_message_is_sent_to_its_chat_as_a_reply(api: TelegramApi) -> None:
    assert post(api, text="hé 漢", thread=["-100:9"], in_reply_to="-100/5") == [Sent("-100/1")]
    (sent,) = api.sent
    assert (sent["chat_id"], sent["message_thread_id"], sent["text"]) == (-100, 9, "hé 漢")
    assert sent["reply_parameters"] == {"message_id": 5, "allow_sending_without_reply": True}


def test_the_chat_is_that_of_the_thread_or_the_answered_message_or_the_person(
    api: TelegramApi,
) -> None:
    post(api, text="a", thread=["23@bc1"])
    post(api, text="b", in_reply_to="-100/5")
    post(api, text="c", in_reply_to="callback/9")
    assert [each["chat_id"] for each in api.sent] == [23, -100, 23]
    assert api.sent[0]["business_connection_id"] == "bc1"
    assert ["reply_parameters" in each for each in api.sent] == [False, True, False]


def test_a_long_text_is_sent_in_parts_of_4096_utf16_units(api: TelegramApi) -> None:
    text = "👩🏽\u200d🚀" * 2000
    results = post(api, text=text, in_reply_to="23/5", buttons=[Choice("Yes")])
    assert len(results) == len(api.sent) > 2
    assert all(isinstance(each, Sent) for each in results)
    assert "".join(each["text"] for each in api.sent) == text
    assert all(len(each["text"]) % 4 == 0 for each in api.sent)
    assert ["reply_parameters" in each for each in api.sent] == [True] + [False] * (
        len(results) - 1
    )
    assert ["reply_markup" in each for each in api.sent] == [False] * (len(results) - 1) + [True]


def test_a_short_text_is_the_caption_of_its_only_file(api: TelegramApi) -> None:
    photo = Attachment(url="https://a.example/a.png", content_type="image/png")
    paper = Attachment(url="https://a.example/a.pdf", content_type="application/pdf")
    post(api, text="see", attachments=[photo])
    post(api, text="é" * 1025, attachments=[paper])
    post(api, text="both", attachments=[photo, paper])
    sent = [(each["method"], each.get("caption", each.get("text"))) for each in api.sent]
    assert sent == [
        ("sendPhoto", "see"),
        ("sendMessage", "é" * 1025),
        ("sendDocument", None),
        ("sendMessage", "both"),
        ("sendPhoto", None),
        ("sendDocument", None),
    ]


def test_choices_become_buttons(api: TelegramApi) -> None:
    choices = [Choice("Yes", "y"), Choice("Site", url="https://a.example"), Choice("Wörter")]
    (result,) = post(api, text="Sure?", quick_replies=choices)
    assert isinstance(result, Sent)
    rows = api.sent[0]["reply_markup"]["inline_keyboard"]
    assert rows == [
        [{"text": "Yes", "callback_data": "y"}],
        [{"text": "Site", "url": "https://a.example"}],
        [{"text": "Wörter", "callback_data": "Wörter"}],
    ]


def test_a_flood_is_sent_again_after_the_wait_that_the_body_names(api: TelegramApi) -> None:
    api.wait = 35
    assert post(api, text="a") == [Retry("there are too many requests", 35)]


def test_blocked_unknown_and_upgraded_chats_are_rejected(api: TelegramApi) -> None:
    api.blocked_by, api.upgraded = {23}, {-100: -1001}
    assert post(api, text="a") == [
        Rejected("the user has blocked the bot, or it is not in the chat", "403")
    ]
    assert post(api, text="a", thread=["42"]) == [
        Rejected("the provider rejected the message with status 400", "400")
    ]
    (moved,) = post(api, text="a", thread=["-100"])
    assert isinstance(moved, Rejected)
    assert moved.reason == "the group has become a supergroup with another id"
    wrong = msgspec.structs.replace(make_account(api_url=api.url), secrets={"bot_token": ("1:x",)})
    assert post(api, wrong, text="a") == [Retry("the credentials are not accepted")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(502, b"<html>"), Unknown("the provider's server failed with status 502")),
        (
            Reply(500, b'{"ok": false, "error_code": 500, "description": "Internal"}'),
            Unknown("the provider's server failed with status 500"),
        ),
        (Reply(429, b"", {"Retry-After": "9"}), Retry("there are too many requests", 9)),
        (Reply(200, b"[]"), Unknown("an answer without a result")),
        (Reply(200, b'{"ok": true, "result": true}'), Sent(None)),
        (Reply(413, b""), Rejected("the provider rejected the message with status 413")),
    ],
)
def test_failures_are_told_apart(api: TelegramApi, reply: Reply, expected: Interpretation) -> None:
    api.next_reply = reply
    assert post(api, text="a") == [expected]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "neither text nor attachments"),
        ({"text": " \n"}, "neither text nor attachments"),
        ({"attachments": [Attachment(name="a")]}, "an attachment has no URL"),
        ({"text": "a", "buttons": [Choice("x")] * 101}, "more than 100 buttons"),
        (
            {"text": "a", "buttons": [Choice("x", "é" * 33)]},
            "the value of a button is longer than 64 bytes",
        ),
    ],
)
def test_a_message_that_telegram_never_takes_is_not_sent(
    fields: dict[str, Any], reason: str
) -> None:
    result = ADAPTER.render(OutboundMessage(reference="r", now=NOW, **fields), ADA_PERSON, ACCOUNT)
    assert isinstance(result, Unsendable)
    assert result.reason == reason


def test_without_a_token_or_a_place_nothing_is_sent() -> None:
    out = OutboundMessage(reference="r", now=NOW, text="a")
    bare = msgspec.structs.replace(ACCOUNT, secrets={})
    assert ADAPTER.render(out, ADA_PERSON, bare) == Unsendable("the account has no bot_token")
    stranger = Person(addresses=(Address("email", "a@b.example"),))
    assert isinstance(ADAPTER.render(out, stranger, ACCOUNT), Unsendable)
