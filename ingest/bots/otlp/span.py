"""A span or a log record of OTLP, decoded: plain values, ids in hexadecimal."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

Attributes = dict[str, Any]

ROOT = ""
"""The parent of a span without one."""


class SpanEvent(Struct, frozen=True):
    """An event of a span: its name, its time in nanoseconds, its attributes."""

    name: str
    at: int
    attributes: Attributes


class Span(Struct, frozen=True, kw_only=True, tag=True):
    """A span. Times are nanoseconds since 1970; `error`: why it failed, None if it did not.

    `keeps_time`: whether its events happened when it says, or else when they are stored.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: Attributes
    resource: Attributes
    scope: str = ""
    events: list[SpanEvent] = []
    error: str | None = None
    keeps_time: bool = True


class LogRecord(Struct, frozen=True, kw_only=True, tag=True):
    """A log record with the ids of its span; "" where it names none."""

    trace_id: str
    span_id: str
    event_name: str
    at: int
    attributes: Attributes
    resource: Attributes
    body: Any = None
    keeps_time: bool = True


Record = Span | LogRecord


class Decoded(Struct):
    """What a request holds, and why parts of it cannot be read."""

    spans: list[Span] = []
    logs: list[LogRecord] = []
    rejected: list[str] = []


def derive_ids(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the ids of a trace and a span that name none, or only zeros: the same for the same content."""
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
    return digest[:32], digest[32:48]
