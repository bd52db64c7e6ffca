"""OTLP in protobuf."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from ingest.bots.otlp.span import (
    ROOT,
    Attributes,
    Decoded,
    LogRecord,
    Span,
    SpanEvent,
    derive_ids,
)

UNREADABLE = (DecodeError, RecursionError)
"""What a body raises that is not the protobuf of OTLP."""


def decode_traces(body: bytes) -> Decoded:
    """Return the spans of a request. Raises one of UNREADABLE if the body is not one."""
    found = Decoded()
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            name = scoped.scope.name
            found.spans += [_span(each, resource, name) for each in scoped.spans]
    return found


def decode_logs(body: bytes) -> Decoded:
    """Return the log records of a request. Raises one of UNREADABLE if the body is not one."""
    found = Decoded()
    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_logs:
            found.logs += [_log(each, resource) for each in scoped.log_records]
    return found


def _span(given: SpanMessage, resource: Attributes, scope: str) -> Span:
    trace_id, span_id = _id(given.trace_id, 16), _id(given.span_id, 8)
    if not trace_id or not span_id:
        trace_id, span_id = derive_ids({"span": given.SerializeToString(deterministic=True)})
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_id(given.parent_span_id, 8) or ROOT,
        name=given.name,
        start=given.start_time_unix_nano,
        end=given.end_time_unix_nano,
        attributes=_attributes(given.attributes),
        resource=resource,
        scope=scope,
        events=[
            SpanEvent(each.name, each.time_unix_nano, _attributes(each.attributes))
            for each in given.events
        ],
        error=_error(given.status),
    )


def _log(given: LogMessage, resource: Attributes) -> LogRecord:
    return LogRecord(
        trace_id=_id(given.trace_id, 16),
        span_id=_id(given.span_id, 8),
        event_name=given.event_name,
        at=given.time_unix_nano or given.observed_time_unix_nano,
        attributes=_attributes(given.attributes),
        resource=resource,
        body=_plain(given.body),
    )


def _error(status: Status) -> str | None:
    is_error = status.code == Status.STATUS_CODE_ERROR
    return (status.message or "error") if is_error else None


def _id(raw: bytes, size: int) -> str:
    return raw.hex() if len(raw) == size and any(raw) else ""


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {each.key: _plain(each.value) for each in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)
