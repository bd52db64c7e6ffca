"""Rasa: events of its event broker, and tracker dumps. https://rasa.com/docs: event brokers, tracker stores.

A record is one event with its `sender_id`, a row of the SQL tracker store, or a tracker with its `events`; also
a dialogue as jsonpickle writes it. Rasa's own actions and slots become `custom.rasa.…`; actions of the
bot's code are tool calls.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ingest.bots.base import Part, Reader, Surroundings, Unreadable
from ingest.bots.bot_event import (
    BotEvent,
    Conversation,
    Speaker,
    UnreadableRecordError,
)
from ingest.bots.fields import (
    bounded,
    digest,
    items,
    mapping,
    moment,
    name_of,
    number,
    present,
    text,
)
from ingest.events.foreign_ids import to_id
from ingest.events.foreign_times import TimeFormatError

CHANNEL = "rasa"
BOT = Speaker("rasa-bot", "bot")
AGENT = Speaker("rasa-agent", "agent")

_CLASSES = {
    "user_uttered": "user", "bot_uttered": "bot", "agent_uttered": "agent", "action_executed": "action",
    "slot_set": "slot", "restarted": "restart", "conversation_paused": "pause",
    "conversation_resumed": "resume", "user_utterance_reverted": "rewind", "action_reverted": "undo",
    "all_slots_reset": "reset_slots", "followup_action": "followup", "story_exported": "export",
    "reminder_scheduled": "reminder", "reminder_cancelled": "cancel_reminder", "form": "active_loop",
}  # fmt: skip
"""Names of events by the class that jsonpickle writes."""

_OWN_ACTIONS = frozenset({
    "action_listen", "action_restart", "action_session_start", "action_default_fallback",
    "action_deactivate_loop", "action_revert_fallback_events", "action_default_ask_affirmation",
    "action_default_ask_rephrase", "action_two_stage_fallback", "action_unlikely_intent", "action_back",
    "action_extract_slots",
})  # fmt: skip
"""Actions of Rasa itself."""

_FALLBACKS = frozenset({"nlu_fallback", "out_of_scope"})
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OF_THE_TRACKER = ("sender_id", "name", "conversation_id")


class RasaLogger:
    """Reads Rasa's events and trackers."""

    name = "rasa"
    title = "Rasa (event broker, tracker dumps)"
    example: Mapping[str, Any] = {
        "sender_id": "ada",
        "event": "user",
        "timestamp": 1_700_000_000.25,
        "text": "Where is my order?",
        "input_channel": "rest",
        "message_id": "6d8beb2e",
        "parse_data": {"intent": {"name": "track_order", "confidence": 0.97}, "entities": []},
    }

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader. It remembers nothing: an event says all about itself."""
        return lambda record: _record(record, surroundings)


def _record(record: Any, surroundings: Surroundings) -> Iterator[Part]:
    if not isinstance(record, Mapping):
        raise UnreadableRecordError("not an event of Rasa, and no tracker")
    if (
        isinstance(record.get("data"), str) and "type_name" in record
    ):  # a row of the SQL tracker store
        record = {"sender_id": record.get("sender_id"), **_decoded(record["data"])}
    is_tracker = isinstance(record.get("events"), list)
    if not is_tracker and not _kind(record):
        raise UnreadableRecordError("no `event` and no `events`")
    events = record["events"] if is_tracker else [record]
    conversation = _conversation(record, events, surroundings)
    for place, event in enumerate(events, 1):
        part = f"event {place}" if is_tracker else "event"
        if not isinstance(event, Mapping) or not _kind(event):
            yield Unreadable(part, "not an event of Rasa")
            continue
        try:
            yield _event(conversation, event)
        except TimeFormatError as error:
            yield Unreadable(part, str(error))


def _decoded(data: str) -> Mapping[str, Any]:
    found = msgspec.json.decode(data)
    return found if isinstance(found, Mapping) else {}


def _kind(event: Mapping[str, Any]) -> str:
    """Return the name of an event, "" if it has none."""
    name = text(event, "event")
    if name is not None:
        return name
    last = (text(event, "py/object") or "").rpartition(".")[2]
    words = _CAPITALS.sub("_", last).lower()
    return _CLASSES.get(words, words)


def _conversation(
    record: Mapping[str, Any], events: list[Any], surroundings: Surroundings
) -> Conversation:
    """Return the conversation of a sender. A dialogue without a sender is named by its first time, too."""
    named = surroundings.conversation_id or text(record, "sender_id")
    if named is None:
        first = next((each.get("timestamp") for each in events if isinstance(each, Mapping)), None)
        named = f"{text(record, *_OF_THE_TRACKER) or 'unknown'}-{first}"
    is_given = named == surroundings.conversation_id
    return Conversation(to_id(named if is_given else f"rasa-{named}"), CHANNEL)


def _event(conversation: Conversation, event: Mapping[str, Any]) -> BotEvent:
    """Return one event. Raises TimeFormatError."""
    kind = _kind(event)
    at = moment(event, "timestamp")
    columns: dict[str, Any] = {"conversation": conversation, "at": at}
    columns["key"] = _key(kind, event)
    match kind:
        case "user" if isinstance(event.get("text"), str):
            return _user(conversation, event, columns)
        case "bot" | "agent":
            return _uttered(kind, event, columns)
        case "action" if (tool := _tool(event)) is not None:
            payload = present(
                tool=tool, policy=event.get("policy"), confidence=event.get("confidence")
            )
            return _internal("bot.tool_called", columns, payload)
        case _:
            rest = {name: value for name, value in event.items() if name not in _ELSEWHERE}
            payload = {name: bounded(value) for name, value in rest.items() if value is not None}
            return _internal(f"custom.rasa.{name_of(kind, 'event')}", columns, payload)


_ELSEWHERE = frozenset({"event", "timestamp", "sender_id", "py/object"})


def _key(kind: str, event: Mapping[str, Any]) -> str:
    """Return the key of an event: Rasa's id of a message, or else its time and its content."""
    message_id = text(event, "message_id")
    if kind == "user" and message_id is not None:
        return f"user/{message_id}"
    return f"{kind}/{event.get('timestamp')}/{digest([event.get(name) for name in _CONTENT])}"


_CONTENT = ("text", "data", "name", "action_name", "key", "value")
"""Fields that say what happened; others differ between the event broker and a dump."""


def _user(
    conversation: Conversation, event: Mapping[str, Any], columns: dict[str, Any]
) -> BotEvent:
    parsed = mapping(event, "parse_data")
    intent = mapping(parsed, "intent") or mapping(event, "intent")
    name = text(intent, "name")
    nlu = present(
        intent=name,
        confidence=number(intent, "confidence"),
        is_fallback=True if name in _FALLBACKS else None,
    )
    payload = present(
        nlu=nlu,
        entities=[bounded(each) for each in items(parsed, "entities") or items(event, "entities")],
        intent_ranking=items(parsed, "intent_ranking"),
        commands=bounded(parsed.get("commands")),
        metadata=bounded(event.get("metadata")),
        input_channel=event.get("input_channel"),
    )
    return BotEvent(
        event_type="message.created",
        speaker=Speaker(conversation.conversation_id, "customer"),
        text=str(event["text"]),
        payload=payload,
        **columns,
    )


def _uttered(kind: str, event: Mapping[str, Any], columns: dict[str, Any]) -> BotEvent:
    data = mapping(event, "data")
    urls = [
        text(data, "attachment", "image"),
        text(mapping(data, "attachment", "payload"), "src", "url"),
    ]
    files = [{"url": url} for url in urls if url is not None]
    rest = {name: bounded(each) for name, each in data.items() if each is not None}
    said = event.get("text")
    return BotEvent(
        event_type="message.created",
        speaker=BOT if kind == "bot" else AGENT,
        text=said if isinstance(said, str) else None if files else "",
        payload=present(attachments=files, data=rest, metadata=bounded(event.get("metadata"))),
        **columns,
    )


def _tool(event: Mapping[str, Any]) -> str | None:
    """Return the action of the bot's own code; None for an answer or an action of Rasa."""
    name = text(event, "name", "action_name")
    is_own = name is None or name in _OWN_ACTIONS or name.startswith(("utter_", "respond_"))
    return None if is_own else name


def _internal(event_type: str, columns: dict[str, Any], payload: dict[str, Any]) -> BotEvent:
    return BotEvent(
        event_type=event_type, speaker=BOT, visibility="internal", payload=payload, **columns
    )
