"""Reads what the log has of a conversation that spans speak of, also what other sources brought."""

from typing import get_args

import msgspec
from msgspec import Struct
from sqlalchemy import Engine, select

from ingest.bots.chat_history import TOOL_RETURNED
from ingest.bots.otlp.history import Entry, Part, text_of
from ingest.bots.otlp.tools import TOOL_CALLED, KnownTool
from ingest.log.storage.tables import conversations, events

MAX_EVENTS = 5_000
"""The newest events that a span may repeat. A longer prompt is no conversation."""

ROLES = {"customer": "user", "bot": "assistant", "agent": "assistant"}
_TYPES = ("message.created", TOOL_CALLED, TOOL_RETURNED)


class SpanHistory(Struct, frozen=True):
    """Messages, tool calls and event ids of a conversation, and whether the log has it at all."""

    messages: list[Entry]
    tools: list[KnownTool]
    event_ids: set[str]
    exists: bool


def read_span_history(engine: Engine, conversation_id: str) -> SpanHistory:
    """Return the newest messages of a conversation, in order, and the ids of its events of their types."""
    names = ("event_type", "event_id", "participant_role", "text", "payload")
    newest = (
        select(*(events.c[name] for name in names))
        .where(events.c.conversation_id == conversation_id, events.c.event_type.in_(_TYPES))
        .order_by(events.c.sequence.desc())
        .limit(MAX_EVENTS)
    )
    known = select(conversations.c.conversation_id).where(
        conversations.c.conversation_id == conversation_id
    )
    with engine.connect() as connection:
        exists = connection.execute(known).first() is not None
        rows = list(connection.execute(newest)) if exists else []
    messages = [
        _entry(event_id, ROLES[role], text, payload)
        for event_type, event_id, role, text, payload in reversed(rows)
        if event_type == "message.created" and role in ROLES
    ]
    tools = [
        _tool(event_type, payload)
        for event_type, _, _, _, payload in reversed(rows)
        if event_type != "message.created"
    ]
    return SpanHistory(messages, tools, {row[1] for row in rows}, exists)


class _Trace(Struct):
    trace_id: str = ""
    part: str = "other"


class _File(Struct):
    url: str = ""


class _Payload(Struct):
    trace: _Trace = msgspec.field(default_factory=_Trace)
    attachments: list[_File] = []


_PARTS: tuple[Part, ...] = get_args(Part)


def _entry(event_id: str, role: str, text: str | None, payload: str | None) -> Entry:
    given = _payload(payload)
    part = next((each for each in _PARTS if each == given.trace.part), _PARTS[-1])
    said = text_of(text, (each.url for each in given.attachments))
    return Entry(role, said, event_id, part, given.trace.trace_id)


def _tool(event_type: str, payload: str | None) -> KnownTool:
    trace = _payload(payload).trace
    return KnownTool(
        event_type, msgspec.json.decode(payload or "{}"), trace.trace_id, trace.part == "history"
    )


def _payload(text: str | None) -> _Payload:
    """Return the fields of a payload that matter here; those of another type are left out."""
    try:
        return msgspec.json.decode(text or "{}", type=_Payload)
    except msgspec.DecodeError:
        return _Payload()
