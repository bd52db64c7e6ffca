"""Bot Framework's activities: messages, members, reactions, understanding, and what no type describes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.bots import LOGGERS
from ingest.bots.base import Part, Surroundings, Unreadable, Unused
from ingest.bots.bot_event import BotEvent, UnreadableRecordError, render
from tests.bots.real_files import damage, events, files, needs_files, said, types
from tests.real_files import read

ADA = {"id": "ada", "name": "Ada", "role": "user"}
HELPER = {"id": "helper", "name": "Helper", "role": "bot"}
MESSAGE = {
    "type": "message", "id": "8519dbe0-e127-11ea", "timestamp": "2025-08-18T09:50:44.125+02:00",
    "channelId": "directline", "conversation": {"id": "c|livechat"}, "from": ADA, "recipient": HELPER,
    "text": "Where is it?",
}  # fmt: skip


def parts(*records: Any) -> list[Part]:
    reader = LOGGERS["botframework"].open(Surroundings())
    return [part for each in records for part in reader(each)]


def made(*records: Any) -> list[dict[str, Any]]:
    return [render(part) for part in parts(*records) if isinstance(part, BotEvent)]


def test_a_message_has_its_sender_its_text_and_its_instant() -> None:
    (event,) = made(MESSAGE)
    assert event["conversation_id"] == "botframework-c%7Clivechat"
    assert (event["participant_id"], event["participant_role"]) == ("botframework-ada", "customer")
    assert event["payload"] == {"author_name": "Ada"}
    at = datetime.fromisoformat(event["occurred_at"])
    assert at == datetime(2025, 8, 18, 7, 50, 44, 125_000, UTC)


def test_an_activity_alone_and_in_a_transcript_is_the_same_event() -> None:
    assert made(MESSAGE) == made({"activities": [MESSAGE]})


def test_a_reply_names_its_message() -> None:
    answer = MESSAGE | {"id": "9519dbe0-e127-11ea", "replyToId": MESSAGE["id"], "from": HELPER}
    first, second = made(MESSAGE, answer)
    assert second["in_reply_to"] == first["message_id"]
    assert made(answer)[0]["in_reply_to"] == first["message_id"]  # also in another request


def test_ids_that_count_from_1_are_unique_with_their_times() -> None:
    one = MESSAGE | {"id": "1"}
    other = one | {"timestamp": "2025-08-18T09:51:00Z", "replyToId": "1"}
    first, second, again = made(one, other, one)
    assert first["event_id"] != second["event_id"]
    assert first["message_id"] == again["message_id"] == second["in_reply_to"]


def test_members_join_and_leave() -> None:
    update = {
        **MESSAGE, "type": "conversationUpdate", "recipient": HELPER,
        "membersAdded": [{"id": "helper", "name": "Helper"}, {"id": "ada", "name": "Ada"}],
        "membersRemoved": [{"id": "ben"}],
    }  # fmt: skip
    found = made(update)
    assert [
        (each["event_type"], each["participant_id"], each["participant_role"]) for each in found
    ] == [
        ("participant.joined", "botframework-helper", "bot"),
        ("participant.joined", "botframework-ada", "customer"),
        ("participant.left", "botframework-ben", "customer"),
    ]
    assert found[0]["payload"] == {"attributes": {"name": "Helper"}}


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        ({"id": "x", "role": 0}, {}, "bot"),
        ({"id": "x", "role": 1}, {}, "customer"),
        ({"id": "28:x"}, {}, "bot"),
        ({"id": "x"}, {"id": "y", "role": "user"}, "bot"),
        ({"id": "x"}, {"id": "y", "role": "bot"}, "customer"),
        ({"id": "x"}, {"id": "y"}, "customer"),
        ({"id": "x", "role": "skill"}, {}, "bot"),
    ],
)
def test_the_role_follows_from_the_account_or_from_the_other_side(
    sender: dict[str, Any], recipient: dict[str, Any], expected: str
) -> None:
    (event,) = made(MESSAGE | {"from": sender, "recipient": recipient})
    assert event["participant_role"] == expected


def test_a_recognizer_says_what_the_bot_understood() -> None:
    intents = {"track": {"score": 0.97}, "None": {"score": 0.01}}
    trace = MESSAGE | {"type": "trace", "value": {"recognizerResult": {"intents": intents}}}
    (event,) = made(trace)
    assert event["event_type"] == "bot.turn_completed"
    assert event["payload"]["nlu"] == {"intent": "track", "confidence": 0.97}


def test_edits_deletions_and_reactions_are_about_their_message() -> None:
    (message,) = made(MESSAGE)
    changes = made(
        MESSAGE | {"type": "messageUpdate", "text": "Where is order 7?"},
        MESSAGE
        | {
            "type": "messageReaction",
            "id": "r",
            "replyToId": MESSAGE["id"],
            "reactionsAdded": [{"type": "like"}],
        },
        MESSAGE | {"type": "messageDelete"},
    )
    assert [each["event_type"] for each in changes] == [
        "message.edited",
        "message.reacted",
        "message.deleted",
    ]
    assert {each["message_id"] for each in changes} == {message["message_id"]}


def test_a_handoff_is_requested() -> None:
    (event,) = made(MESSAGE | {"type": "event", "name": "handoff.initiate", "value": {"Skill": "billing"}})  # fmt: skip
    assert (event["event_type"], event["payload"]) == ("handoff.requested", {"reason": "billing"})


def test_other_activities_are_kept_and_internal_and_typing_is_not() -> None:
    invoke = MESSAGE | {"type": "endOfConversation", "code": "completedSuccessfully"}
    (event,) = made(invoke)
    assert event["event_type"] == "custom.botframework.end_of_conversation"
    assert event["payload"] == {"code": "completedSuccessfully"}
    assert event["visibility"] == "internal"
    assert parts(MESSAGE | {"type": "typing"}) == [Unused("typing is not stored")]


def test_a_card_that_is_nested_deeply_is_kept_as_text() -> None:
    card: Any = "end"
    for _ in range(40):
        card = {"items": [card]}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    (event,) = made(MESSAGE | {"attachments": [attachment]})
    assert json.loads(event["payload"]["attachments"][0]["content"]) == card


def test_a_bad_activity_of_a_transcript_costs_no_other() -> None:
    bad = MESSAGE | {"timestamp": "0001-01-01T00:00:00Z"}
    found = parts({"activities": [MESSAGE, 5, bad, MESSAGE]})
    assert [isinstance(each, BotEvent) for each in found] == [True, False, False, True]
    assert [each.part for each in found if isinstance(each, Unreadable)] == [
        "activity 2",
        "activity 3",
    ]


@pytest.mark.parametrize("record", [None, 5, [], {}, {"text": "x"}])
def test_what_is_no_activity_is_an_error(record: Any) -> None:
    with pytest.raises(UnreadableRecordError, match="activity"):
        parts(record)


def instant(written: str) -> datetime:
    """An ISO time, read by hand."""
    head, zone = (written[:-1], "+00:00") if written.endswith("Z") else (written[:-6], written[-6:])
    sign = -1 if zone[0] == "-" else 1
    offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    whole, _, fraction = head.partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return moment - offset + timedelta(microseconds=int(f"{fraction:0<6}"[:6] or 0))


@needs_files
@pytest.mark.parametrize(
    "path", files("botframework_transcripts"), ids=lambda path: path.name.partition(".")[0]
)
def test_a_real_transcript_equals_another_reading(path: Path) -> None:
    activities = json.loads(path.read_text("utf-8-sig"))
    items = read("botframework", path)
    assert not damage(items)
    messages = [each for each in activities if each["type"] == "message"]
    assert said(items) == [
        (
            "bot" if each["from"]["role"] == "bot" else "customer",
            each.get("text", ""),
            instant(each["timestamp"]),
        )
        for each in messages
    ]
    counted = types(items)
    added = [each for update in activities for each in update.get("membersAdded", ())]
    assert counted["participant.joined"] == len(added)
    others = [each for each in activities if each["type"] == "trace"]
    assert counted["bot.turn_completed"] + counted["custom.botframework.trace"] == len(others)
    assert sum(counted.values()) == 1 + len(messages) + len(added) + len(others)
    found = events(items, "message.created")
    assert [len(each.get("payload", {}).get("attachments", ())) for each in found] == [
        len(each.get("attachments", ())) for each in messages
    ]
