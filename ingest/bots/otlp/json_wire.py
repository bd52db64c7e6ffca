"""OTLP in JSON. Enumerations come as numbers or names, integers as strings or numbers, ids in hexadecimal or base64."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from ingest.bots.otlp.span import (
    ROOT,
    Attributes,
    Decoded,
    LogRecord,
    Span,
    SpanEvent,
    derive_ids,
)

Number = str | int | float


class _Any(Struct, rename="camel", omit_defaults=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number | None = None
    double_value: Number | None = None
    bytes_value: str | None = None
    array_value: "_Array | None" = None
    kvlist_value: "_Pairs | None" = None


class _Array(Struct):
    values: list[_Any] = []


class _Pair(Struct):
    key: str
    value: _Any = msgspec.field(default_factory=_Any)


class _Pairs(Struct):
    values: list[_Pair] = []


class _Resource(Struct):
    attributes: list[_Pair] = []


class _Scope(Struct):
    name: str = ""


class _Status(Struct):
    code: str | int = 0
    message: str = ""


class _Event(Struct, rename="camel"):
    name: str = ""
    time_unix_nano: Number = 0
    attributes: list[_Pair] = []


class _Span(Struct, rename="camel", kw_only=True):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    start_time_unix_nano: Number = 0
    end_time_unix_nano: Number = 0
    attributes: list[_Pair] = []
    events: list[_Event] = []
    status: _Status = msgspec.field(default_factory=_Status)


class _Log(Struct, rename="camel", kw_only=True):
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    time_unix_nano: Number = 0
    observed_time_unix_nano: Number = 0
    attributes: list[_Pair] = []
    body: _Any | None = None


class _ScopeSpans(Struct):
    scope: _Scope = msgspec.field(default_factory=_Scope)
    spans: list[msgspec.Raw] = []


class _ScopeLogs(Struct, rename="camel"):
    log_records: list[msgspec.Raw] = []


class _ResourceSpans(Struct, rename="camel"):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    scope_spans: list[_ScopeSpans] = []


class _ResourceLogs(Struct, rename="camel"):
    resource: _Resource = msgspec.field(default_factory=_Resource)
    scope_logs: list[_ScopeLogs] = []


class _Traces(Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] = []


class _Logs(Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] = []


_TRACES = msgspec.json.Decoder(_Traces, strict=False)
_LOGS = msgspec.json.Decoder(_Logs, strict=False)
_SPAN = msgspec.json.Decoder(_Span)
_LOG = msgspec.json.Decoder(_Log)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a body raises that is not the JSON of OTLP; a ValidationError is a DecodeError."""


def decode_traces(body: bytes) -> Decoded:
    """Return the spans of a request. Raises one of UNREADABLE if the body is not one."""
    found = Decoded()
    for group in _TRACES.decode(body).resource_spans:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            for raw in scoped.spans:
                try:
                    found.spans.append(_span(_SPAN.decode(raw), resource, scoped.scope.name))
                except (*UNREADABLE, ValueError, OverflowError) as error:
                    found.rejected.append(_reason(error))
    return found


def decode_logs(body: bytes) -> Decoded:
    """Return the log records of a request. Raises one of UNREADABLE if the body is not one."""
    found = Decoded()
    for group in _LOGS.decode(body).resource_logs:
        resource = _attributes(group.resource.attributes)
        for raw in (each for scoped in group.scope_logs for each in scoped.log_records):
            try:
                found.logs.append(_log(_LOG.decode(raw), resource))
            except (*UNREADABLE, ValueError, OverflowError) as error:
                found.rejected.append(_reason(error))
    return found


def _reason(error: Exception) -> str:
    """Return why a record cannot be read, without its values."""
    if isinstance(error, msgspec.ValidationError):
        return "a field has another type than OTLP says"
    return "a record is not the JSON of OTLP"


def _span(given: _Span, resource: Attributes, scope: str) -> Span:
    trace_id, span_id = hex_id(given.trace_id, 16), hex_id(given.span_id, 8)
    if not trace_id or not span_id:
        trace_id, span_id = derive_ids(msgspec.to_builtins(given))
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=hex_id(given.parent_span_id or "", 8) or ROOT,
        name=given.name,
        start=int(given.start_time_unix_nano),
        end=int(given.end_time_unix_nano),
        attributes=_attributes(given.attributes),
        resource=resource,
        scope=scope,
        events=[
            SpanEvent(each.name, int(each.time_unix_nano), _attributes(each.attributes))
            for each in given.events
        ],
        error=_error(given.status),
    )


def _log(given: _Log, resource: Attributes) -> LogRecord:
    return LogRecord(
        trace_id=hex_id(given.trace_id, 16),
        span_id=hex_id(given.span_id, 8),
        event_name=given.event_name,
        at=int(given.time_unix_nano) or int(given.observed_time_unix_nano),
        attributes=_attributes(given.attributes),
        resource=resource,
        body=None if given.body is None else _plain(given.body),
    )


def _error(status: _Status) -> str | None:
    is_error = status.code in (2, "2", "STATUS_CODE_ERROR")
    return (status.message or "error") if is_error else None


def hex_id(text: str, size: int) -> str:
    """Return an id of `size` bytes in hexadecimal; "" for one that is missing, all zeros, or no id."""
    try:
        raw = bytes.fromhex(text) if len(text) == 2 * size else base64.b64decode(text)
    except (ValueError, binascii.Error):
        return ""
    return raw.hex() if len(raw) == size and any(raw) else ""


def _attributes(pairs: Iterable[_Pair]) -> Attributes:
    return {each.key: _plain(each.value) for each in pairs}


def _plain(value: _Any) -> Any:
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        number = int(value.int_value)
        return number if -(2**63) <= number < 2**63 else str(number)
    if value.double_value is not None:
        return float(value.double_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.array_value is not None:
        return [_plain(each) for each in value.array_value.values]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values)
    return value.bytes_value
