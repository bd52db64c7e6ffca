"""Writes a conversation as spans of OpenTelemetry, in the current names of GenAI. Pure.

A message of the bot is a span: its inputs are all that was said before. Where the bot reported the call of
its model, the span is that call; otherwise it is one of an agent.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ingest.bots.chat_history import TOOL_RETURNED
from ingest.bots.chat_messages import as_json
from ingest.bots.otlp.span import derive_ids
from ingest.bots.otlp.tools import TOOL_CALLED
from ingest.contract import to_micros

Event = Mapping[str, Any]
"""An event with its columns, its payload decoded."""

ROLES = {"customer": "user", "bot": "assistant", "agent": "assistant", "system": "system"}

CALL_ATTRIBUTES = {
    "model": "gen_ai.response.model",
    "provider": "gen_ai.provider.name",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "tokens": "gen_ai.usage.total_tokens",
    "first_chunk_seconds": "gen_ai.response.time_to_first_chunk",
    "response_id": "gen_ai.response.id",
}
SERVICE = "bot"


def to_otlp(conversation_id: str, events: Iterable[Event]) -> dict[str, Any]:
    """Return the request in JSON that replays a conversation; `events` are in order of their sequence."""
    ordered = sorted(events, key=lambda each: to_micros(_at(each)))
    bots = [each["participant_id"] for each in ordered if each.get("participant_role") == "bot"]
    service = [{"key": "service.name", "value": {"stringValue": bots[0] if bots else SERVICE}}]
    spans = [*_Replay(conversation_id, ordered).spans()]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": service},
                "scopeSpans": [{"scope": {"name": "convolake"}, "spans": spans}],
            }
        ]
    }


class _Replay:
    """The spans of one conversation, message by message."""

    def __init__(self, conversation_id: str, events: list[Event]) -> None:
        self._conversation_id = conversation_id
        self._events = events
        self._history: list[dict[str, Any]] = []
        self._waiting: Event | None = None
        """The first event that no span has yet."""
        self._turn = 0
        self._calls = {
            each["caused_by"]: each for each in events if _call_of(each) and each.get("caused_by")
        }
        self._deleted = {
            each["message_id"] for each in events if each["event_type"] == "message.deleted"
        }
        self._texts = {
            each["message_id"]: each.get("text")
            for each in events
            if each["event_type"] == "message.edited"
        }

    def spans(self) -> Iterator[dict[str, Any]]:
        """Yield the spans, in order of their ends."""
        for event in self._events:
            yield from self._of(event)
        if self._waiting is not None:
            yield self._span(self._waiting, self._events[-1], [], None)

    def _of(self, event: Event) -> Iterator[dict[str, Any]]:
        kind, payload = event["event_type"], event.get("payload") or {}
        if kind == "message.created" and self._is_shown(event):
            message = _message(event, self._texts.get(event["message_id"], event.get("text")))
            if message["role"] == "assistant":
                call = self._calls.get(event["event_id"])
                yield self._span(self._waiting or event, event, [message], call)
                self._waiting, self._turn = None, self._turn + 1
            else:
                self._waiting = self._waiting or event
            self._history.append(message)
        elif kind == TOOL_CALLED:
            self._history.append({"role": "assistant", "parts": [_called(payload)]})
        elif kind == TOOL_RETURNED:
            self._history.append({"role": "tool", "parts": [_returned(payload)]})
        elif _call_of(event) and event.get("caused_by") is None:
            yield self._span(event, event, [], event)

    def _ids(self, event: Event) -> tuple[str, str]:
        """Return the ids of a trace and a span: those that brought an event, or else of its turn and of itself."""
        found = (event.get("payload") or {}).get("trace") or {}
        if "span_id" in found:
            return found["trace_id"], found["span_id"]
        trace_id, _ = derive_ids({"conversation": self._conversation_id, "turn": self._turn})
        _, span_id = derive_ids({"conversation": self._conversation_id, "id": event["event_id"]})
        return trace_id, span_id

    def _is_shown(self, event: Event) -> bool:
        """Return whether a message is part of the chat: not a note of an agent, and not deleted."""
        is_note = (
            event.get("visibility") == "internal" and event.get("participant_role") != "system"
        )
        return not is_note and event["message_id"] not in self._deleted

    def _span(
        self, first: Event, last: Event, outputs: list[dict[str, Any]], call: Event | None
    ) -> dict[str, Any]:
        trace_id, span_id = self._ids(call or last)
        end = to_micros(_at(last))
        reported = {} if call is None else _call_of(call)
        latency = reported.get("latency_seconds")
        start = to_micros(_at(first)) if latency is None else end - round(latency * 1e6)
        attributes = {
            "gen_ai.operation.name": "invoke_agent" if call is None else "chat",
            "gen_ai.conversation.id": self._conversation_id,
            "gen_ai.input.messages": as_json(self._history),
            "gen_ai.output.messages": as_json(outputs),
            **{
                name: reported[field]
                for field, name in CALL_ATTRIBUTES.items()
                if field in reported
            },
        }
        if "finish_reason" in reported:
            attributes["gen_ai.response.finish_reasons"] = [reported["finish_reason"]]
        error = reported.get("error")
        return {
            "traceId": trace_id,
            "spanId": span_id,
            "name": attributes["gen_ai.operation.name"],
            "kind": 3,
            "startTimeUnixNano": str(min(start, end) * 1000),
            "endTimeUnixNano": str(end * 1000),
            "attributes": [
                {"key": name, "value": _value(value)} for name, value in attributes.items()
            ],
            "status": {} if error is None else {"code": 2, "message": error},
        }


def _call_of(event: Event) -> dict[str, Any]:
    """Return the call of a model that an event reports, empty if it reports none."""
    if event["event_type"] != "bot.turn_completed":
        return {}
    return (event.get("payload") or {}).get("model_call") or {}


def _message(event: Event, text: str | None) -> dict[str, Any]:
    parts = [] if text is None else [{"type": "text", "content": text}]
    files = (event.get("payload") or {}).get("attachments") or []
    parts += [{"type": "uri", "uri": each["url"]} for each in files if each.get("url")]
    return {"role": ROLES[event.get("participant_role") or "system"], "parts": parts}


def _called(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": payload.get("call_id"),
        "name": payload.get("tool"),
        "arguments": payload.get("arguments"),
    }


def _returned(payload: Mapping[str, Any]) -> dict[str, Any]:
    result = payload.get("result")
    return {"type": "tool_call_response", "id": payload.get("call_id"), "response": result}


def _at(event: Event) -> datetime:
    at: datetime = event["happened_at"]
    return at


def _value(value: Any) -> dict[str, Any]:
    match value:
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}
