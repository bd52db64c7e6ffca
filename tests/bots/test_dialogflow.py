"""Dialogflow's fulfillment requests, of ES and CX: what was said, what was understood, what is answered."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.bots import LOGGERS
from ingest.bots.base import Surroundings
from ingest.bots.bot_event import BotEvent, UnreadableRecordError, render
from tests.bots.real_files import damage, events, files, needs_files, said, types
from tests.real_files import read


def made(*records: Any) -> list[dict[str, Any]]:
    reader = LOGGERS["dialogflow"].open(Surroundings())
    return [render(part) for each in records for part in reader(each) if isinstance(part, BotEvent)]


ES: dict[str, Any] = {
    "responseId": "r-1", "session": "projects/shop/agent/sessions/s1",
    "queryResult": {
        "queryText": "Where is it?", "intent": {"displayName": "track"}, "intentDetectionConfidence": 0.9,
        "parameters": {"order": "7"}, "fulfillmentText": "One moment",
    },
    "originalDetectIntentRequest": {
        "source": "facebook", "payload": {"data": {"timestamp": 1515180561306}},
    },
}  # fmt: skip
CX: dict[str, Any] = {
    "detectIntentResponseId": "r-2", "text": "Where is it?", "languageCode": "en",
    "sessionInfo": {"session": "projects/shop/locations/eu/agents/a/sessions/s1", "parameters": {"order": "7"}},
    "intentInfo": {"displayName": "track", "confidence": 0.9}, "fulfillmentInfo": {"tag": "find"},
}  # fmt: skip


@pytest.mark.parametrize("request_", [ES, CX], ids=["ES", "CX"])
def test_a_request_says_what_the_customer_said_and_what_was_understood(
    request_: dict[str, Any],
) -> None:
    message, turn = made(request_)
    assert (message["participant_role"], message["text"]) == ("customer", "Where is it?")
    assert message["payload"]["nlu"] == {"intent": "track", "confidence": 0.9}
    assert (turn["event_type"], turn["visibility"]) == ("bot.turn_completed", "internal")
    assert turn["payload"]["nlu"] == message["payload"]["nlu"]
    assert turn["payload"]["parameters"] == {"order": "7"}


def test_the_answer_of_the_console_is_a_proposal_and_that_of_the_webhook_a_message() -> None:
    assert made(ES)[1]["payload"]["fulfillmentText"] == "One moment"
    for response in (
        {"fulfillmentText": "On its way."},
        {"fulfillmentMessages": [{"text": {"text": ["On its way."]}}]},
        {"fulfillmentResponse": {"messages": [{"text": {"text": ["On its way."]}}]}},
    ):
        message, _, answer = made({"request": ES, "response": response})
        assert (answer["participant_role"], answer["text"]) == ("bot", "On its way.")
        assert answer["in_reply_to"] == message["message_id"]


def test_several_webhooks_of_one_turn_repeat_its_message_and_not_their_turns() -> None:
    other = CX | {"fulfillmentInfo": {"tag": "check"}}
    ids = [each["event_id"] for each in made(CX, other, CX)]
    assert len(ids) == 6
    assert len(set(ids)) == 3


def test_a_fallback_is_marked() -> None:
    es = ES | {"queryResult": {"queryText": "?", "intent": {"isFallback": True}}}
    cx = CX | {"triggerEvent": "sys.no-match-default", "intentInfo": {}}
    assert [made(each)[0]["payload"]["nlu"]["is_fallback"] for each in (es, cx)] == [True, True]


def test_the_time_is_that_of_the_channels_message() -> None:
    at = datetime.fromisoformat(made(ES)[0]["occurred_at"])
    assert at == datetime.fromtimestamp(1515180561.306, UTC)
    assert "occurred_at" not in made(CX)[0]


def test_a_request_without_a_session_is_found_by_its_contexts_or_is_alone() -> None:
    context = {"name": "projects/shop/agent/sessions/s1/contexts/c"}
    without = {name: value for name, value in ES.items() if name != "session"}
    named = without | {"queryResult": {**ES["queryResult"], "outputContexts": [context]}}
    assert made(named)[0]["conversation_id"] == made(ES)[0]["conversation_id"]
    assert made(without)[0]["conversation_id"] == "dialogflow-r-1"


@pytest.mark.parametrize("record", [None, 5, [], {}, {"queryResult": {}}, {"queryResult": 5}])
def test_what_is_no_request_is_an_error(record: Any) -> None:
    with pytest.raises(UnreadableRecordError, match=r"request|queryResult"):
        made(record)


def expected_time(original: dict[str, Any]) -> datetime | None:
    data = original.get("payload", {}).get("data", {})
    if "event_ts" in data:
        seconds, _, micros = data["event_ts"].partition(".")
        return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(micros))
    if "timestamp" in data:
        seconds, millis = divmod(data["timestamp"], 1000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=millis * 1000)
    return None


@needs_files
@pytest.mark.parametrize(
    "path", files("dialogflow_es_webhook"), ids=lambda path: path.stem.rpartition("__")[2]
)
def test_a_real_request_equals_another_reading(path: Path) -> None:
    document = json.loads(path.read_text())
    items = read("dialogflow", path)
    assert not damage(items)
    result, original = document["queryResult"], document.get("originalDetectIntentRequest") or {}
    query = result.get("queryText") or original["payload"]["data"]["message"]["text"]
    assert said(items) == [("customer", query, expected_time(original))]
    (turn,) = events(items, "bot.turn_completed")
    expected = {
        "intent": result["intent"]["displayName"],
        "confidence": result["intentDetectionConfidence"],
    }
    assert turn["payload"]["nlu"] == expected
    assert turn["payload"].get("fulfillmentText", "") == result.get("fulfillmentText", "")
    assert sum(types(items).values()) == 3
    session = document.get("session")
    if session is not None:
        assert turn["conversation_id"] == f"dialogflow-{session}"
