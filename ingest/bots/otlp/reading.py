"""Reads a span or a log record as an observation, whatever its dialect."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ingest.bots.chat_messages import ToolCall, parsed
from ingest.bots.otlp import dialects
from ingest.bots.otlp.attributes import (
    first,
    first_count,
    first_number,
    first_text,
    metadata,
    numbered,
)
from ingest.bots.otlp.names import (
    BOT_NAMES,
    CONVERSATION_IDS,
    COUNTS,
    FINISH_REASONS,
    FIRST_CHUNK_EVENTS,
    FIRST_CHUNK_SECONDS,
    ID_ENDINGS,
    KINDS,
    METADATA_IDS,
    MODELS,
    OPERATIONS,
    PROVIDERS,
    TRACELOOP_KINDS,
    USER_IDS,
    VERCEL,
)
from ingest.bots.otlp.observation import Kind, Observation, ToolUse
from ingest.bots.otlp.span import Attributes, LogRecord, Record, Span, derive_ids

EARLIEST = 631_152_000_000_000_000
"""1990 in nanoseconds: the log rejects earlier times, which come from a broken clock."""

LATEST = 2**63 - 1


class UnreadableSpanError(ValueError):
    """The span cannot be stored: it says no time."""


class Received(Struct, frozen=True):
    """A span or a log record that is worth keeping, with what says when to convert it."""

    record: Record
    conversation_id: str | None
    is_root: bool


def receive_span(span: Span) -> Received | None:
    """Return a span to keep: it says something, names a conversation, or ends a trace. Raises UnreadableSpanError."""
    times = (span.start or span.end, span.end or span.start)
    if not EARLIEST <= min(times) <= max(times) <= LATEST:
        raise UnreadableSpanError("a span has no time, or one before 1990")
    conversation_id = conversation_of(span.attributes, span.resource)
    is_root = not span.parent_id
    if kind_of(span) == "other" and conversation_id is None and not is_root:
        return None
    return Received(span, conversation_id, is_root)


def receive_log(record: LogRecord) -> Received | None:
    """Return a log record to keep: an event of GenAI. Raises UnreadableSpanError."""
    if not dialects.is_event(_event_name(record)):
        return None
    if not EARLIEST <= record.at <= LATEST:
        raise UnreadableSpanError("a log record has no time, or one before 1990")
    if not record.trace_id or not record.span_id:
        trace_id, span_id = derive_ids(msgspec.to_builtins(record))
        record = msgspec.structs.replace(
            record, trace_id=record.trace_id or trace_id, span_id=record.span_id or span_id
        )
    return Received(record, conversation_of(record.attributes, record.resource), False)


def without_old_time(received: Received, now: int, age: int) -> Received:
    """Return a record whose time does not count if it is older than `age` at `now`; both in microseconds."""
    record = received.record
    times = (record.start, record.end) if isinstance(record, Span) else (record.at,)
    if min(each for each in times if each) // 1000 >= now - age:
        return received
    return msgspec.structs.replace(
        received, record=msgspec.structs.replace(record, keeps_time=False)
    )


def read(record: Record) -> Observation:
    """Return what a span or a log record says."""
    return read_span(record) if isinstance(record, Span) else read_log(record)


def read_span(span: Span) -> Observation:
    """Return what a span says."""
    start, end = span.start or span.end, span.end or span.start
    kind = kind_of(span)
    has_messages = kind in ("model", "agent")
    attributes = span.attributes
    return Observation(
        kind=kind,
        trace_id=span.trace_id,
        span_id=span.span_id,
        start=start // 1000,
        end=max(start, end) // 1000,
        user_id=first_text(attributes, USER_IDS),
        bot_id=bot_of(attributes, span.resource),
        bot_version=_version(span),
        inputs=dialects.read_inputs(span) if has_messages else [],
        outputs=dialects.read_outputs(span) if has_messages else [],
        call=_call(span) if kind == "model" else {},
        tool=_tool(span) if kind == "tool" else None,
        error=_error(span),
        keeps_time=span.keeps_time,
    )


def read_log(record: LogRecord) -> Observation:
    """Return what a log record says of a call."""
    body = parsed(record.body)
    content = {**record.attributes, **(body if isinstance(body, Mapping) else {})}
    inputs, outputs = dialects.read_event(_event_name(record), content)
    return Observation(
        kind="model",
        trace_id=record.trace_id,
        span_id=record.span_id,
        start=record.at // 1000,
        end=record.at // 1000,
        user_id=first_text(record.attributes, USER_IDS),
        bot_id=bot_of(record.attributes, record.resource),
        inputs=inputs,
        outputs=outputs,
        keeps_time=record.keeps_time,
        is_log=True,
    )


def _event_name(record: LogRecord) -> str:
    return record.event_name or str(record.attributes.get("event.name", ""))


def conversation_of(attributes: Attributes, resource: Attributes) -> str | None:
    """Return the id of the conversation that a span names."""
    found = first_text(attributes, CONVERSATION_IDS) or first_text(
        metadata(attributes), METADATA_IDS
    )
    if found is None:
        ending = (name for name in sorted(attributes) if name.endswith(ID_ENDINGS))
        found = first_text(attributes, ending)
    return found or first_text(resource, CONVERSATION_IDS)


def bot_of(attributes: Attributes, resource: Attributes) -> str | None:
    """Return the name of the bot: its agent, or else its service."""
    service = first_text(resource, ("service.name",))
    if service is not None and service.startswith("unknown_service"):
        service = None
    return first_text(attributes, BOT_NAMES) or service


def _version(span: Span) -> str | None:
    return first_text(span.attributes, ("gen_ai.agent.version",)) or first_text(
        span.resource, ("service.version",)
    )


def kind_of(span: Span) -> Kind:
    """Return what a span is about."""
    attributes = span.attributes
    operation = str(attributes.get("gen_ai.operation.name", ""))
    if operation in OPERATIONS:
        return OPERATIONS[operation]
    if (kind := attributes.get("openinference.span.kind")) is not None:
        return KINDS.get(str(kind), "other")
    if (traceloop := TRACELOOP_KINDS.get(str(attributes.get("traceloop.span.kind")))) is not None:
        return traceloop
    if (vercel := str(attributes.get("ai.operationId", ""))) != "":
        return VERCEL.get(vercel) or ("model" if ".do" in vercel else "agent")
    is_model = first(attributes, ("gen_ai.request.model", "llm.request.type")) is not None
    return "model" if is_model else "other"


def _call(span: Span) -> dict[str, Any]:
    """Return the fields of `payload.model_call`."""
    attributes = span.attributes
    call: dict[str, Any] = {
        "model": first_text(attributes, MODELS),
        "provider": first_text(attributes, PROVIDERS),
        **{name: first_count(attributes, names) for name, names in COUNTS.items()},
        "tokens": first_count(
            attributes,
            ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
        ),
        "latency_seconds": max(0, span.end - span.start) / 1e9,
        "first_chunk_seconds": _first_chunk(span),
        "finish_reason": first_text(attributes, FINISH_REASONS) or _finish_reason(span),
        "response_id": first_text(attributes, ("gen_ai.response.id", "ai.response.id")),
        "error": _error(span),
    }
    return {name: value for name, value in call.items() if value is not None}


def _finish_reason(span: Span) -> str | None:
    """Return the reason that only the answer itself has: a message, a choice, or an event."""
    attributes = span.attributes
    choices = parsed(attributes.get("output.value"))
    for answers in (
        parsed(attributes.get("gen_ai.output.messages")),
        numbered(attributes, "gen_ai.completion"),
        choices.get("choices") if isinstance(choices, Mapping) else None,
        [each.attributes for each in span.events if each.name == dialects.CHOICE],
    ):
        for each in answers if isinstance(answers, list) else ():
            if isinstance(each, Mapping) and each.get("finish_reason"):
                return str(each["finish_reason"])
    return None


def _first_chunk(span: Span) -> float | None:
    """Return the seconds until the first part of the answer came."""
    if (seconds := first_number(span.attributes, FIRST_CHUNK_SECONDS)) is not None:
        return seconds
    milliseconds = first_number(span.attributes, ("ai.response.msToFirstChunk",))
    if milliseconds is not None:
        return milliseconds / 1000
    times = [each.at for each in span.events if each.name in FIRST_CHUNK_EVENTS]
    return max(0, min(times) - span.start) / 1e9 if times else None


def _error(span: Span) -> str | None:
    """Return why a span failed: the type of its exception, and its message."""
    for event in span.events:
        if event.name == "exception":
            kind, text = (event.attributes.get(f"exception.{each}") for each in ("type", "message"))
            return ": ".join(str(each) for each in (kind, text) if each) or "exception"
    if span.error is None:
        return None
    kind = span.attributes.get("error.type")
    return f"{kind}: {span.error}" if kind and kind not in span.error else span.error


def _tool(span: Span) -> ToolUse:
    attributes = span.attributes
    name = first_text(
        attributes,
        ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "traceloop.entity.name"),
    )
    call_id = first_text(attributes, ("gen_ai.tool.call.id", "tool_call.id", "ai.toolCall.id"))
    arguments = first(
        attributes,
        (
            "gen_ai.tool.call.arguments",
            "tool_arguments",
            "ai.toolCall.args",
            "tool.parameters",
            "input.value",
            "traceloop.entity.input",
        ),
    )
    result = first(
        attributes,
        (
            "gen_ai.tool.call.result",
            "tool_response",
            "ai.toolCall.result",
            "output.value",
            "traceloop.entity.output",
        ),
    )
    returned = parsed(result)
    if isinstance(returned, Mapping) and isinstance(returned.get("data"), Mapping):
        returned = returned["data"]  # LangChain writes its message of the tool
    if isinstance(returned, Mapping) and "tool_call_id" in returned:
        call_id = call_id or first_text(returned, ("tool_call_id",))
        returned = parsed(returned.get("content"))
    return ToolUse(ToolCall(name or span.name, parsed(arguments), call_id), returned)
