"""Messenger webhooks become the right items."""

import json
from typing import Any

import pytest

from ingest.channels.base import (
    Address,
    EditItem,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    ReceiptItem,
    UnreadableCallError,
    UnreadableItem,
    WatermarkItem,
)
from ingest.channels.meta.messenger.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.meta_bodies import PAGE, PERSON, echo_event, event, message_event, page_body
from tests.channels.meta_calls import items_of, only, real_bodies
from tests.channels.recorded import recorded

ADA = Person(addresses=(Address("page_scoped_id", PERSON, PAGE),))


def read(body: Any) -> list[Inbound]:
    return items_of(ADAPTER, body)


def test_a_text_has_its_sender_within_the_page_its_time_and_its_id() -> None:
    assert only(MessageItem, read(page_body(message_event("m_1", text="Hello")))) == MessageItem(
        provider_id="m_1", person=ADA, happened_at=1_790_000_000_123_000, text="Hello"
    )


def test_ids_may_be_numbers() -> None:
    sent = message_event("m_1", text="Hello") | {"sender": {"id": int(PERSON)}}
    body = page_body(sent, id=int(PAGE))
    assert only(MessageItem, read(body)).person == ADA


def test_every_event_of_every_entry_is_read() -> None:
    body = page_body(message_event("m_1", text="1"), message_event("m_2", text="2"))
    body["entry"] += page_body(message_event("m_3", text="3"))["entry"]
    assert [each.text for each in read(body) if isinstance(each, MessageItem)] == ["1", "2", "3"]


def test_quick_replies_and_answers_are_messages() -> None:
    chosen = message_event(
        "m_1", text="Yes", quick_reply={"payload": "yes"}, reply_to={"mid": "m_0"}
    )
    item = only(MessageItem, read(page_body(chosen)))
    assert (item.text, item.in_reply_to) == ("Yes", "m_0")
    assert item.payload["meta"]["quick_reply"] == {"payload": "yes"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"type": "image", "payload": {"url": "https://x.example/a"}},
            Attachment(url="https://x.example/a"),
        ),
        (
            {"type": "location", "payload": {"coordinates": {"lat": 1, "long": 2}}},
            Attachment(url="geo:1.0,2.0"),
        ),
        (
            {"type": "fallback", "title": "Shop", "url": "https://x.example", "payload": None},
            Attachment(url="https://x.example", name="Shop"),
        ),
        (
            {"type": "fallback", "title": "Shop", "url": "https://x.example", "payload": "BLOB"},
            Attachment(url="https://x.example", name="Shop"),
        ),
    ],
)
def test_an_attachment_keeps_its_url_and_title(given: Any, expected: Attachment) -> None:
    item = only(MessageItem, read(page_body(message_event(attachments=[given]))))
    assert (item.text, item.attachments) == (None, (expected,))
    assert item.payload["meta"]["attachments"] == [given]


def test_an_echo_is_an_agents_message_to_the_customer_with_our_reference() -> None:
    item = only(MessageItem, read(page_body(echo_event("m_1", text="I am Ben", metadata="send-1"))))
    assert (item.author, item.text, item.person) == ("agent", "I am Ben", ADA)
    assert item.client_reference == "send-1"


def test_a_delivery_names_messages_and_everything_before() -> None:
    delivery = {"mids": ["m_1", "m_2"], "watermark": 1790000000000}
    *receipts, watermark = read(page_body(event(delivery=delivery)))
    assert [each.message for each in receipts if isinstance(each, ReceiptItem)] == ["m_1", "m_2"]
    assert watermark == WatermarkItem(
        provider_id=f"delivered:{PERSON}:1790000000000",
        person=ADA,
        happened_at=1_790_000_000_123_000,
        status="delivered",
        until=1_790_000_000_000_000,
    )


def test_a_read_is_a_watermark_with_an_id_of_person_and_time() -> None:
    item = only(WatermarkItem, read(page_body(event(read={"watermark": 1790000000000}))))
    assert (item.status, item.until) == ("read", 1_790_000_000_000_000)
    assert item.provider_id == f"read:{PERSON}:1790000000000"


def test_a_watermark_without_a_time_is_unreadable() -> None:
    item = only(UnreadableItem, read(page_body(event(read={"watermark": "late"}))))
    assert item.reason == "a watermark without a time or a person"


@pytest.mark.parametrize(
    ("postback", "text", "provider_id"),
    [
        ({"mid": "m_4", "title": "Start", "payload": "start"}, "Start", "m_4"),
        ({"title": "", "payload": "hey"}, "hey", f"postback:{PERSON}:1790000000123"),
    ],
)
def test_a_tap_on_a_button_is_a_message(postback: Any, text: str, provider_id: str) -> None:
    item = only(MessageItem, read(page_body(event(postback=postback))))
    assert (item.text, item.provider_id) == (text, provider_id)
    assert item.payload["meta"]["payload"] == postback["payload"]


def test_an_edit_has_the_new_text_and_an_id_for_each_edit() -> None:
    edits = [event(message_edit={"mid": "m_1", "text": f"v{n}", "num_edit": n}) for n in (1, 2)]
    items = [each for each in read(page_body(*edits)) if isinstance(each, EditItem)]
    assert [(each.message, each.text) for each in items] == [("m_1", "v1"), ("m_1", "v2")]
    assert len({each.provider_id for each in items}) == 2


@pytest.mark.parametrize(("action", "expected"), [("react", "❤"), ("unreact", None)])
def test_a_reaction_is_the_emoji_or_its_removal(action: str, expected: str | None) -> None:
    reaction = {"mid": "m_1", "action": action, "reaction": "love", "emoji": "❤"}
    item = only(ReactionItem, read(page_body(event(reaction=reaction))))
    assert (item.message, item.reaction) == ("m_1", expected)


@pytest.mark.parametrize(
    "kind", ["pass_thread_control", "take_thread_control", "referral", "account_linking", "news"]
)
def test_events_without_a_type_are_kept_with_their_person(kind: str) -> None:
    sent = event(**{kind: {"x": 1}})
    item = only(OtherItem, read(page_body(sent)))
    assert (item.kind, item.data, item.person) == (kind, sent, ADA)


def test_a_person_without_an_id_is_known_by_the_plugins_reference() -> None:
    optin = only(OtherItem, read(page_body(event(optin={"user_ref": "box-1"}, sender=None))))
    box = Address("external_id", "box-1", PAGE)
    assert optin.person == Person(addresses=(box,))
    first = message_event(text="Hi") | {
        "prior_message": {"source": "checkbox_plugin", "identifier": "box-1"}
    }
    item = only(MessageItem, read(page_body(first)))
    assert item.person == Person(addresses=(*ADA.addresses, box))


def test_messages_that_another_app_answers_are_marked() -> None:
    body = page_body(standby=[message_event(text="Hi")], messaging=None)
    assert only(MessageItem, read(body)).payload == {"meta": {"is_standby": True}}


def test_changes_of_the_page_are_kept() -> None:
    body = page_body(changes=[{"field": "feed", "value": {"item": "post"}}], messaging=None)
    item = only(OtherItem, read(body))
    assert (item.kind, item.data, item.person) == ("feed", {"item": "post"}, None)


@pytest.mark.parametrize("message", [{"text": "no id"}, {"mid": {}}, 5, []])
def test_a_broken_event_costs_no_other(message: Any) -> None:
    first, second = read(page_body(event(message=message), message_event(text="Hi")))
    assert isinstance(first, UnreadableItem)
    assert json.loads(first.raw) == event(message=message)
    assert isinstance(second, MessageItem)


# --- real bodies, against an independent reading


def check_event(items: list[Inbound], sent: dict[str, Any], page: str) -> None:
    [*_, item] = items
    assert not isinstance(item, UnreadableItem)
    sides = [
        str(side.get("id") or side.get("user_ref")) for side in (sent["sender"], sent["recipient"])
    ]
    customer = next((side for side in sides if side != page), sides[0])
    assert item.person is not None
    assert item.person.addresses[0].value == customer
    assert item.person.addresses[0].scope == page
    assert item.happened_at == (sent["timestamp"] * 1000 if "timestamp" in sent else None)
    if "message" in sent:
        assert isinstance(item, MessageItem)
        assert (item.provider_id, item.text) == (
            sent["message"]["mid"],
            sent["message"].get("text"),
        )
        assert len(item.attachments) == len(sent["message"].get("attachments", ()))
        assert item.author == ("agent" if sent["message"].get("is_echo") else "customer")
    elif "postback" in sent:
        assert isinstance(item, MessageItem)
        assert item.text in (sent["postback"].get("title"), sent["postback"]["payload"])
    elif "delivery" in sent or "read" in sent:
        assert isinstance(item, WatermarkItem)
        assert item.until == (sent.get("delivery") or sent["read"])["watermark"] * 1000
        assert len(items) == 1 + len(sent.get("delivery", {}).get("mids", ()))
    else:
        assert isinstance(item, OtherItem)
        assert item.kind in sent


@pytest.mark.parametrize("path", recorded("messenger"), ids=lambda path: path.name)
def test_a_real_body_is_read_as_it_says(path: Any) -> None:
    for raw in real_bodies(path):
        body = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(body, dict):
            with pytest.raises(UnreadableCallError, match="not a webhook"):
                read(raw)
            continue
        [entry] = body["entry"]
        [sent] = entry["messaging"]
        check_event(read(raw), sent, str(entry["id"]))
