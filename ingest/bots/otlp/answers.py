"""What OTLP answers: success, partial success, or a status with a message, in the type of the request."""

from typing import Any, Literal

import msgspec
from msgspec import Struct
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

Signal = Literal["traces", "logs"]


class PartialSuccess(Struct, rename="camel"):
    """How many records of a request were not taken, and why."""

    error_message: str
    rejected_spans: str | None = None
    rejected_log_records: str | None = None


class ExportResponse(Struct, rename="camel"):
    """The answer to a request of OTLP; empty if all of it was taken."""

    partial_success: PartialSuccess | None = None


class RpcStatus(Struct):
    """An error of OTLP: a code of gRPC, and what is wrong."""

    code: int
    message: str


class ExportTraceServiceRequest(Struct, rename="camel"):
    """Spans by resource and scope, as OTLP defines them."""

    resource_spans: list[dict[str, Any]] = []


class ExportLogsServiceRequest(Struct, rename="camel"):
    """Log records by resource and scope, as OTLP defines them."""

    resource_logs: list[dict[str, Any]] = []


REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}
MAX_REASONS = 3
"""Reasons that an answer lists; the rest is counted."""

_VARINT, _TEXT = 0, 2


def success(signal: Signal, rejected: list[str], *, is_json: bool) -> bytes:
    """Return the body of a success; `rejected`: why parts of the request were not taken."""
    message = "; ".join(list(dict.fromkeys(rejected))[:MAX_REASONS])
    if is_json:
        partial = {REJECTED[signal]: str(len(rejected)), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial} if rejected else {})
    answer: Any
    if signal == "traces":
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = len(rejected)
    else:
        answer = ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = len(rejected)
    answer.partial_success.error_message = message
    if not rejected:
        answer.ClearField("partial_success")
    return bytes(answer.SerializeToString())


def status(code: int, message: str, *, is_json: bool) -> bytes:
    """Return the body of an error: a `google.rpc.Status`, whose protobuf has a number and a text."""
    if is_json:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return bytes([1 << 3 | _VARINT, code, 2 << 3 | _TEXT]) + _varint(len(text)) + text


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
