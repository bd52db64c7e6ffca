"""Instagram webhooks become the right items."""

import json
from typing import Any

import pytest

from ingest.channels.base import (
    Address,
    DeletionItem,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    ReceiptItem,
    UnreadableCallError,
)
from ingest.channels.meta.instagram import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.meta_bodies import (
    ACCOUNT,
    INSTAGRAM_CASES,
    MESSENGER_CASES,
    USER,
    echo_event,
    instagram_body,
    instagram_event,
    instagram_message,
)
from tests.channels.meta_calls import items_of, only, real_bodies
from tests.channels.recorded import recorded

ADA = Person(addresses=(Address("instagram_id", USER, ACCOUNT),))


def read(body: Any) -> list[Inbound]:
    return items_of(ADAPTER, body)


def test_a_text_has_its_sender_within_the_account() -> None:
    item = only(MessageItem, read(instagram_body(instagram_message("ig_1", text="Hi 👋"))))
    assert (item.provider_id, item.text, item.person) == ("ig_1", "Hi 👋", ADA)


def test_text_and_attachments_that_come_apart_are_two_messages() -> None:
    picture = {"type": "image", "payload": {"url": "https://cdn.example/a.jpg"}}
    text, image = (
        instagram_message("ig_1", text="Look"),
        instagram_message("ig_2", attachments=[picture]),
    )
    first, second = read(instagram_body(text, image))
    assert isinstance(first, MessageItem)
    assert isinstance(second, MessageItem)
    assert (first.text, first.attachments) == ("Look", ())
    assert (second.text, second.attachments) == (
        None,
        (Attachment(url="https://cdn.example/a.jpg"),),
    )


@pytest.mark.parametrize("kind", ["story_mention", "unsupported_type", "ig_reel", "share"])
def test_stories_shares_and_unsupported_files_are_attachments(kind: str) -> None:
    given = {"type": kind, "payload": {"url": "https://cdn.example/x"}}
    item = only(MessageItem, read(instagram_body(instagram_message(attachments=[given]))))
    assert item.attachments == (Attachment(url="https://cdn.example/x"),)
    assert item.payload["meta"]["attachments"] == [given]


def test_an_answer_to_a_story_keeps_the_story() -> None:
    story = {"story": {"id": "s", "url": "https://cdn.example/s"}}
    item = only(MessageItem, read(instagram_body(instagram_message(text="Nice", reply_to=story))))
    assert (item.in_reply_to, item.payload["meta"]["reply_to"]) == (None, story)


def test_a_message_without_content_is_kept_with_its_id() -> None:
    item = only(OtherItem, read(instagram_body(instagram_message("ig_7", is_unsupported=True))))
    assert (item.kind, item.provider_id, item.person) == ("message", "ig_7", ADA)


def test_seen_is_a_receipt_of_one_message() -> None:
    item = only(ReceiptItem, read(instagram_body(instagram_event(read={"mid": "ig_9"}))))
    assert (item.message, item.status, item.provider_id) == ("ig_9", "read", "ig_9:read")


def test_an_unsent_message_is_a_deletion() -> None:
    item = only(DeletionItem, read(instagram_body(instagram_message("ig_1", is_deleted=True))))
    assert (item.message, item.person) == ("ig_1", ADA)


def test_a_reaction_is_removed() -> None:
    reaction = {"mid": "ig_1", "action": "unreact"}
    item = only(ReactionItem, read(instagram_body(instagram_event(reaction=reaction))))
    assert (item.message, item.reaction) == ("ig_1", None)


def test_an_echo_of_the_app_is_an_agents() -> None:
    sent = echo_event("ig_3", text="I am Ben") | {"recipient": {"id": USER}}
    item = only(MessageItem, read(instagram_body(sent)))
    assert (item.author, item.person) == ("agent", ADA)


def test_the_form_with_changes_has_its_time_in_seconds() -> None:
    message, comment = read(INSTAGRAM_CASES[-1])
    assert isinstance(message, MessageItem)
    assert (message.text, message.person) == ("New form", ADA)
    assert message.happened_at == 1_790_000_000_000_000
    assert isinstance(comment, OtherItem)
    assert comment.kind == "comments"


def test_a_webhook_of_a_page_is_not_instagrams() -> None:
    with pytest.raises(UnreadableCallError, match="another product"):
        read(MESSENGER_CASES[0])


@pytest.mark.parametrize("path", recorded("instagram"), ids=lambda path: path.name)
def test_a_real_body_is_read_as_it_says(path: Any) -> None:
    for raw in real_bodies(path):
        body = json.loads(raw)
        if "entry" not in body:
            with pytest.raises(UnreadableCallError, match="not a webhook"):
                read(raw)
            continue
        [entry] = body["entry"]
        [sent] = entry["messaging"]
        [item] = read(raw)
        assert isinstance(item, MessageItem | ReceiptItem)
        assert item.person == Person(
            addresses=(Address("instagram_id", sent["sender"]["id"], entry["id"]),)
        )
        assert item.happened_at == sent["timestamp"] * 1000
        if isinstance(item, MessageItem):
            assert item.provider_id == sent["message"]["mid"]
            urls = [each["payload"]["url"] for each in sent["message"]["attachments"]]
            assert [each.url for each in item.attachments] == urls
        else:
            assert (item.message, item.status) == (sent["read"]["mid"], "read")
