"""Telegram: only calls with the secret are read, and each message is read right."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
    Account,
    Address,
    ChannelAdapter,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    Person,
)
from ingest.channels.telegram.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.telegram_calls import (
    ACCOUNT,
    ADA_PERSON,
    GROUP,
    HEADER,
    MEDIA,
    NOW,
    TEXTS,
    make_account,
    message,
    read,
    read_one,
)


def test_the_adapter_fulfils_the_protocol() -> None:
    adapter: ChannelAdapter = ADAPTER
    assert adapter.provider == "telegram"


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
