"""LINE: every kind of event is read, only LINE's calls are taken, and pushes obey the documented limits."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linebot.v3.webhook import SignatureValidator  # type: ignore[import-untyped]

from convolake.loopback_server import Reply
from ingest.channels.base import (
    Account,
    Address,
    Call,
    Choice,
    DeletionItem,
    EditItem,
    Inbound,
    InvalidSignatureError,
    MessageItem,
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    Rejected,
    Retry,
    Sent,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.line.adapter import ADAPTER
from ingest.events.payloads import Attachment
from tests.channels.changed_bits import with_changed_bits
from tests.channels.recorded import recorded
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.line import LineApi, error, line_api

NOW = 1_790_000_000_000_000
USER, GROUP = "U" + "4" * 32, "C" + "5" * 32
HOSTILE = 'مرحبا\u200f 😀👨‍👩‍👧 你好\u200b\r\n\x00 \\ " </script>'
ACCOUNT = Account(
    account_id="a",
    provider="line",
    channel="line",
    address="Ubot",
    secrets={"channel_secret": ["newest", "oldest"], "channel_access_token": ["an access token"]},
)
ADA = Person(addresses=(Address("email", "ada@example.org"), Address("line_user", USER, "Ubot")))


def call_of(body: bytes) -> Call:
    return ADAPTER.sign(body, "application/json", ACCOUNT, NOW)


def event_of(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "active",
        "timestamp": 1_790_000_000_123,
        "source": {"type": "user", "userId": USER},
        "webhookEventId": "01H",
        "deliveryContext": {"isRedelivery": False},
        **fields,
    }


def items_of(*events: Any) -> list[Inbound]:
    body = msgspec.json.encode({"destination": "Ubot", "events": events})
    return list(ADAPTER.parse(call_of(body), ACCOUNT))


def message_of(**message: Any) -> MessageItem:
    [item] = items_of(event_of("message", message={"id": "325708", **message}))
    assert isinstance(item, MessageItem)
    return item


def is_valid(call: Call) -> bool:
    try:
        ADAPTER.verify(call, ACCOUNT, NOW)
    except InvalidSignatureError:
        return False
    return True


def with_signature(call: Call, signature: str) -> Call:
    return msgspec.structs.replace(call, headers={"x-line-signature": signature})


def test_a_text_has_its_user_time_and_id() -> None:
    item = message_of(type="text", text=HOSTILE, quotedMessageId="1", replyToken="r")
    assert (item.provider_id, item.text, item.in_reply_to) == ("325708", HOSTILE, "1")
    assert item.happened_at == 1_790_000_000_123_000
    assert item.person == Person(addresses=(Address("line_user", USER, "Ubot"),))
    assert (item.thread, item.payload, item.channel) == ((), {}, None)


def test_events_of_several_users_are_one_item_each() -> None:
    events = [
        event_of(
            "message",
            message={"id": str(n), "type": "text", "text": f"text {n}"},
            source={"userId": f"U{n}"},
        )
        for n in range(3)
    ]
    items = items_of(*events)
    assert [each.text for each in items if isinstance(each, MessageItem)] == [
        "text 0",
        "text 1",
        "text 2",
    ]
    users = [
        each.person.addresses[0].value
        for each in items
        if isinstance(each, MessageItem) and each.person
    ]
    assert users == ["U0", "U1", "U2"]


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file"])
def test_media_are_fetched_by_the_messages_id(kind: str) -> None:
    item = message_of(type=kind, fileName="a.csv", fileSize=2_978, contentProvider={"type": "line"})
    url = "https://api-data.line.me/v2/bot/message/325708/content"
    assert item.attachments == (Attachment(url=url, name="a.csv", size=2_978),)
    assert (item.text, item.payload) == (None, {"message_type": kind})
    external = {"type": "external", "originalContentUrl": "https://cdn.example/a.jpg"}
    assert (
        message_of(type=kind, contentProvider=external).attachments[0].url
        == "https://cdn.example/a.jpg"
    )


def test_stickers_and_places_are_messages() -> None:
    [item] = items_of(event_of("message", message={"id": "1", "type": "location"}))
    assert isinstance(item, OtherItem)
    sticker = message_of(type="sticker", packageId="1", stickerId="2", keywords=["hi"])
    [picture] = sticker.attachments
    assert str(picture.url).endswith("/sticker/2/android/sticker.png")
    assert sticker.payload == {
        "message_type": "sticker",
        "sticker": {"package_id": "1", "sticker_id": "2", "keywords": ["hi"]},
    }
    place = message_of(
        type="location", title="Shop", address="Street 1", latitude=35.6, longitude=139.7
    )
    assert place.attachments == (Attachment(url="geo:35.6,139.7", name="Shop"),)


def test_a_postback_is_a_message_of_the_customer() -> None:
    [item] = items_of(event_of("postback", postback={"data": "buy=1"}))
    assert isinstance(item, MessageItem)
    assert (item.provider_id, item.text) == ("01H", "buy=1")
    assert item.payload == {"postback": {"data": "buy=1"}}


def test_unsent_and_edited_messages_name_their_message() -> None:
    deletion, edit = items_of(
        event_of("unsend", unsend={"messageId": "325708"}),
        event_of("messageEdited", message={"id": "325708", "type": "text", "text": ""}),
    )
    assert isinstance(deletion, DeletionItem)
    assert (deletion.message, deletion.provider_id) == ("325708", "01H")
    assert isinstance(edit, EditItem)
    assert (edit.message, edit.text) == ("325708", "")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("follow", "follow"),
        ("unfollow", "unfollow"),
        ("join", "join"),
        ("memberJoined", "member_joined"),
        ("videoPlayComplete", "video_play_complete"),
        ("tomorrow's kind", "tomorrow_s_kind"),
        ("unsend", "unsend"),
    ],
)
def test_other_events_are_kept(kind: str, name: str) -> None:
    event = event_of(kind)
    [item] = items_of(event)
    assert isinstance(item, OtherItem)
    assert (item.kind, item.data, item.provider_id) == (name, event, "01H")


def test_a_new_kind_of_message_is_kept() -> None:
    [item] = items_of(event_of("message", message={"id": "1", "type": "hologram"}))
    assert isinstance(item, OtherItem)
    assert (item.kind, item.provider_id) == ("message_hologram", "1")


def test_a_group_is_the_thread_and_its_writer_may_be_hidden() -> None:
    source = {"type": "group", "groupId": GROUP}
    [item] = items_of(
        event_of("message", message={"id": "1", "type": "text", "text": "x"}, source=source)
    )
    assert isinstance(item, MessageItem)
    assert (item.person, item.thread) == (None, (GROUP,))


def test_an_event_for_another_bot_says_so() -> None:
    [item] = items_of(
        event_of("message", message={"id": "1", "type": "text", "text": "x"}, mode="standby")
    )
    assert isinstance(item, MessageItem)
    assert item.payload == {"mode": "standby"}


def test_a_redelivered_event_without_id_has_the_same_id() -> None:
    first = event_of("follow")
    del first["webhookEventId"]
    again = {**first, "deliveryContext": {"isRedelivery": True}}
    other = {**first, "timestamp": 1}
    ids = [
        each.provider_id for each in items_of(first, again, other) if isinstance(each, OtherItem)
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_bad_event_costs_no_other() -> None:
    good = msgspec.json.encode(
        event_of("message", message={"id": "1", "type": "text", "text": "x"})
    )
    bad = [
        b'{"type": "message", "message": {"id": "2", "text": "\\ud800"}}',
        b"3",
        b'{"type": 7}',
        b'{"type": "message"}',
    ]
    body = b'{"events":[' + b",".join([*bad, good]) + b"]}"
    *broken, item = ADAPTER.parse(call_of(body), ACCOUNT)
    assert [each.raw for each in broken if isinstance(each, UnreadableItem)] == bad
    assert isinstance(item, MessageItem)


def test_a_call_without_events_checks_the_url() -> None:
    call = call_of(b'{"destination":"Ubot","events":[]}')
    assert is_valid(call)
    assert list(ADAPTER.parse(call, ACCOUNT)) == []


names = st.sampled_from(
    [
        "type",
        "message",
        "id",
        "source",
        "userId",
        "groupId",
        "timestamp",
        "postback",
        "unsend",
        "messageId",
        "text",
    ]
)
fields = st.sampled_from([None, True, 7, -1, 2**63, 1.5, "", "x", [], {}, ["x"], {"id": 7}])
kinds = st.sampled_from(
    ["message", "postback", "unsend", "messageEdited", "text", "file", "sticker", "location"]
)
events = st.dictionaries(
    names, fields | kinds | st.fixed_dictionaries({"type": kinds, "id": fields}), max_size=6
)


@settings(max_examples=1_000, deadline=None)
@given(
    st.binary(max_size=40)
    | st.lists(fields | events, max_size=3).map(lambda each: msgspec.json.encode({"events": each}))
)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    try:
        list(ADAPTER.parse(call_of(body), ACCOUNT))
    except UnreadableCallError:
        return


@settings(max_examples=1_000, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["newest", "oldest", "strange"]), st.data())
def test_our_verdict_is_the_sdks(text: str, secret: str, data: st.DataObject) -> None:
    body = text.encode()
    right = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    signature = data.draw(
        st.sampled_from([right, right.strip("="), f" {right}", right.lower(), "", "é"])
    )
    verdicts = [SignatureValidator(each).validate(text, signature) for each in ("newest", "oldest")]
    assert is_valid(with_signature(call_of(body), signature)) == any(verdicts)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_changed_bit_is_rejected(body: bytes, data: st.DataObject) -> None:
    call = call_of(body)
    assert is_valid(call)
    for changed in with_changed_bits(body, data):
        assert not is_valid(msgspec.structs.replace(call, body=changed))
    for changed in with_changed_bits(call.headers["x-line-signature"].encode(), data):
        assert not is_valid(with_signature(call, changed.decode("latin-1")))


def test_a_call_without_signature_or_secret_is_rejected() -> None:
    assert not is_valid(msgspec.structs.replace(call_of(b"{}"), headers={}))
    with pytest.raises(InvalidSignatureError):
        ADAPTER.verify(call_of(b"{}"), msgspec.structs.replace(ACCOUNT, secrets={}), NOW)


def message(**given_fields: Any) -> OutboundMessage:
    return OutboundMessage(reference="event-1", now=NOW, **given_fields)


def account_of(api: LineApi) -> Account:
    return msgspec.structs.replace(ACCOUNT, options={"api_url": api.url})


def requests_of(api: LineApi, what: OutboundMessage) -> list[OutboundRequest]:
    requests = ADAPTER.render(what, ADA, account_of(api))
    assert not isinstance(requests, Unsendable), requests
    return list(requests)


def sent(api: LineApi, what: OutboundMessage) -> list[object]:
    return [ADAPTER.interpret(send(each)) for each in requests_of(api, what)]


def test_line_takes_text_images_links_and_quick_replies() -> None:
    with line_api() as api:
        media = [
            Attachment(url="https://files.example/a.jpg", content_type="image/jpeg"),
            Attachment(
                url="https://files.example/a.pdf", content_type="application/pdf", name="a.pdf"
            ),
        ]
        replies = [
            Choice(title="Yes"),
            Choice(title="A title of more than twenty", value="v"),
            Choice(title="Go", url="https://x.example"),
        ]
        assert sent(api, message(text=HOSTILE, attachments=media, quick_replies=replies)) == [
            Sent("10")
        ]
        [push] = api.pushes
        assert push["to"] == USER
        assert [each.get("text") for each in push["messages"]] == [
            HOSTILE,
            None,
            "a.pdf: https://files.example/a.pdf",
        ]
        actions = [each["action"] for each in push["messages"][-1]["quickReply"]["items"]]
        assert actions[0] == {"type": "message", "label": "Yes", "text": "Yes"}
        assert (actions[1]["data"], actions[1]["displayText"]) == (
            "v",
            "A title of more than twenty",
        )
        assert actions[2]["uri"] == "https://x.example"


def test_a_long_text_is_sent_in_parts_of_five_messages() -> None:
    with line_api() as api:
        text = "😀 and so on. " * 2_500
        assert len(sent(api, message(text=text))) == len(api.pushes) == 2
        parts = [each["text"] for push in api.pushes for each in push["messages"]]
        assert "".join(parts) == text


def test_a_group_gets_the_answer_in_the_group() -> None:
    with line_api() as api:
        sent(api, message(text="x", thread=(GROUP, "<mail@example.org>")))
        assert api.pushes[0]["to"] == GROUP


def test_a_repeated_push_sends_nothing_twice_and_has_the_first_ones_request() -> None:
    with line_api() as api:
        [request] = requests_of(api, message(text="x"))
        [again] = requests_of(api, message(text="x"))
        assert request == again
        assert ADAPTER.is_idempotent
        api.loses_answers = True
        assert isinstance(ADAPTER.interpret(send(request)), Retry)
        assert ADAPTER.interpret(send(again)) == Sent("request-1")
        assert len(api.pushes) == 1


def test_what_line_would_not_take_is_said_before_it_is_sent() -> None:
    stranger = Person(addresses=(Address("email", "ada@example.org"),))
    too_many = message(text="x", quick_replies=[Choice(title=str(n)) for n in range(14)])
    too_long = message(text="x", quick_replies=[Choice(title="x", value="v" * 301)])
    assert isinstance(ADAPTER.render(message(text="x"), stranger, ACCOUNT), Unsendable)
    for each in (too_many, too_long, message(), message(attachments=[Attachment(name="a")])):
        assert isinstance(ADAPTER.render(each, ADA, ACCOUNT), Unsendable)


def test_answers_say_whether_to_try_again() -> None:
    with line_api() as api:

        def outcome(reply: Reply | None) -> object:
            api.next_reply = reply
            return sent(api, message(text="x"))[0]

        assert outcome(
            error(429, "The API rate limit has been exceeded.", **{"retry-after": "3"})
        ) == Retry("there are too many requests", 3)
        assert isinstance(outcome(error(429, "You have reached your monthly limit.")), Rejected)
        assert isinstance(outcome(error(400, "…")), Rejected)
        assert isinstance(outcome(error(401, "…")), Retry)
        assert isinstance(outcome(error(403, "…")), Rejected)
        assert isinstance(outcome(Reply(503, b"<html>")), Retry)
        assert outcome(Reply(200, b"", {"x-line-request-id": "r"})) == Sent("r")


@pytest.mark.parametrize(
    "path", recorded("other/line_chatwoot", "*.json"), ids=lambda path: path.name
)
def test_a_recorded_call_is_read_as_it_is(path: Path) -> None:
    """Compare with a reading of the file that shares no code with the adapter."""
    call = call_of(path.read_bytes())
    assert is_valid(call)
    assert SignatureValidator("newest").validate(path.read_text(), call.headers["x-line-signature"])
    items = list(ADAPTER.parse(call, ACCOUNT))
    recorded = msgspec.json.decode(path.read_bytes())["events"]
    assert len(items) == len(recorded)
    for item, event in zip(items, recorded, strict=True):
        assert isinstance(item, MessageItem | OtherItem)
        assert item.person is not None
        assert item.person.addresses[0].value == event["source"]["userId"]
        assert item.happened_at == event["timestamp"] * 1_000
        if event["type"] == "follow":
            assert isinstance(item, OtherItem)
            assert item.kind == "follow"
            continue
        assert isinstance(item, MessageItem)
        assert (item.provider_id, item.text) == (
            event["message"]["id"],
            event["message"].get("text"),
        )
        has_file = event["message"]["type"] in ("image", "video", "audio", "file", "sticker")
        assert len(item.attachments) == has_file
