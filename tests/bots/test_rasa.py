"""Rasa's events, from its broker, its trackers, its SQL store, and jsonpickle."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.bots import LOGGERS
from ingest.bots.base import Part, Surroundings, Unreadable
from ingest.bots.bot_event import BotEvent, UnreadableRecordError, render
from tests.bots.real_files import damage, events, files, needs_files, said, types, when
from tests.real_files import read

AT = 1_700_000_000.25


def parts(*records: Any) -> list[Part]:
    reader = LOGGERS["rasa"].open(Surroundings())
    return [part for each in records for part in reader(each)]


def made(*records: Any) -> list[dict[str, Any]]:
    return [render(part) for part in parts(*records) if isinstance(part, BotEvent)]


USER = {
    "event": "user", "timestamp": AT, "text": "Where is it?", "message_id": "m1", "input_channel": "rest",
    "parse_data": {"intent": {"name": "track", "confidence": 0.9},
                   "entities": [{"entity": "order", "value": "7"}]},
}  # fmt: skip
BOT = {"event": "bot", "timestamp": AT + 1, "text": "On its way.", "data": {"buttons": None}}
ACTION = {"event": "action", "timestamp": AT + 0.5, "name": "action_find_order", "policy": "rules",
          "confidence": 1.0}  # fmt: skip
SLOT = {"event": "slot", "timestamp": AT + 0.6, "name": "order", "value": "7"}
EVENTS = [USER, ACTION, SLOT, BOT]


def test_a_user_message_has_its_text_its_time_and_its_intent() -> None:
    (event,) = made({"sender_id": "ada"} | USER)
    assert event["conversation_id"] == event["participant_id"] == "rasa-ada"
    assert event["text"] == "Where is it?"
    assert datetime.fromisoformat(event["occurred_at"]) == datetime.fromtimestamp(AT, UTC)
    assert event["payload"]["nlu"] == {"intent": "track", "confidence": 0.9}
    assert event["payload"]["entities"] == [{"entity": "order", "value": "7"}]


def test_a_fallback_is_marked() -> None:
    parsed = {"intent": {"name": "nlu_fallback", "confidence": 0.3}}
    (event,) = made(USER | {"sender_id": "ada", "parse_data": parsed})
    assert event["payload"]["nlu"]["is_fallback"] is True


def test_an_action_of_the_bot_is_a_tool_call_and_one_of_rasa_is_not() -> None:
    listen = ACTION | {"name": "action_listen"}
    utter = ACTION | {"name": "utter_greet"}
    found = made(*({"sender_id": "ada"} | each for each in (ACTION, listen, utter)))
    assert [each["event_type"] for each in found] == [
        "bot.tool_called",
        "custom.rasa.action",
        "custom.rasa.action",
    ]
    assert found[0]["payload"] == {
        "tool": "action_find_order",
        "policy": "rules",
        "confidence": 1.0,
    }
    assert {each["visibility"] for each in found} == {"internal"}


def test_broker_tracker_and_sql_store_give_the_same_events() -> None:
    broker = made(*({"sender_id": "ada"} | each for each in EVENTS))
    tracker = made({"sender_id": "ada", "slots": {}, "events": EVENTS})
    rows = made(
        *(
            {"id": 1, "sender_id": "ada", "type_name": each["event"], "data": json.dumps(each)}
            for each in EVENTS
        )
    )
    assert broker == tracker == rows
    assert len({each["event_id"] for each in broker}) == 4


def test_the_names_of_jsonpickle_are_those_of_the_broker() -> None:
    names = {"UserUttered": "message.created", "SlotSet": "custom.rasa.slot",
             "SessionStarted": "custom.rasa.session_started", "Restarted": "custom.rasa.restart"}  # fmt: skip
    for name, expected in names.items():
        given = {"py/object": f"rasa.shared.core.events.{name}", "timestamp": AT, "text": "x"}
        (event,) = made({"name": "default", "events": [given]})
        assert event["event_type"] == expected


def test_an_answer_with_an_image_or_only_buttons_is_a_message() -> None:
    image = BOT | {"text": None, "data": {"image": "https://shop.example/a.png"}}
    buttons = BOT | {"text": None, "data": {"buttons": [{"title": "Yes", "payload": "/yes"}]}}
    first, second = made({"sender_id": "ada"} | image, {"sender_id": "ada"} | buttons)
    assert first["payload"]["attachments"] == [{"url": "https://shop.example/a.png"}]
    assert second["text"] == ""
    assert second["payload"]["data"] == {"buttons": [{"title": "Yes", "payload": "/yes"}]}


@pytest.mark.parametrize("bad", [5, {}, {"event": "user"} | {"timestamp": "soon", "text": "x"}])
def test_a_bad_event_of_a_tracker_costs_no_other(bad: Any) -> None:
    found = parts({"sender_id": "ada", "events": [USER, bad, BOT]})
    assert [isinstance(each, BotEvent) for each in found] == [True, False, True]
    assert isinstance(found[1], Unreadable)
    assert found[1].part == "event 2"


@pytest.mark.parametrize("year", [-62_135_596_800, 253_402_300_799, 0])
def test_times_in_the_years_1_and_9999_are_errors(year: int) -> None:
    (found,) = parts({"sender_id": "ada"} | USER | {"timestamp": year})
    assert isinstance(found, Unreadable)
    assert "year" in found.reason


@pytest.mark.parametrize("record", [None, 5, [], {}, {"sender_id": "ada"}, {"events": 5}])
def test_what_is_no_event_is_an_error(record: Any) -> None:
    with pytest.raises(UnreadableRecordError, match="event"):
        parts(record)


@needs_files
@pytest.mark.parametrize("path", files("rasa"), ids=lambda path: path.name)
def test_a_real_dump_equals_another_reading(path: Any) -> None:
    document = json.loads(path.read_text())
    items = read("rasa", path)
    assert not damage(items)
    expected, others = [], 0
    for each in document["events"]:
        name = each.get("event") or each["py/object"].rsplit(".")[-1]
        at = datetime.fromtimestamp(round(each["timestamp"], 6), UTC)
        if name in ("user", "UserUttered"):
            expected.append(("customer", each["text"], at))
        elif name in ("bot", "BotUttered"):
            expected.append(("bot", each["text"], at))
        else:
            others += 1
    assert said(items) == expected
    assert sum(types(items).values()) == len(expected) + others + 1
    intents = [
        (each["intent"] if "intent" in each else each["parse_data"]["intent"])
        for each in document["events"]
        if "parse_data" in each
    ]
    assert [
        event["payload"]["nlu"]
        for event in events(items, "message.created")
        if event["participant_role"] == "customer"
    ] == [{"intent": each["name"], "confidence": each["confidence"]} for each in intents]
    assert when(events(items)[0]) == datetime.fromtimestamp(
        round(document["events"][0]["timestamp"], 6), UTC
    )
