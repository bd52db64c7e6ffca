"""Requests of OTLP, built by the tests: spans and log records, in JSON and in protobuf."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.factories import START

SECOND = 1_000_000_000
AT = int(START.timestamp()) * SECOND - 3600 * SECOND
"""An hour before the clock of the tests, in nanoseconds."""

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}

Body = dict[str, Any]


def any_value(value: Any) -> Body:
    """A value as OTLP writes it."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": str(value)}


def pairs(attributes: Mapping[str, Any]) -> list[Body]:
    return [{"key": name, "value": any_value(value)} for name, value in attributes.items()]


def make_span(
    trace: int,
    span: int,
    *,
    start: float = 0,
    end: float | None = None,
    parent: int = 0,
    **over: Any,
) -> Body:
    """A span; `start` and `end` are seconds after AT. `over`: attributes, events, status, name."""
    attributes = over.pop("attributes", {})
    events = over.pop("events", [])
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{span:016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}),
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(AT + int(start * SECOND)),
        "endTimeUnixNano": str(AT + int((start + 1 if end is None else end) * SECOND)),
        "attributes": pairs(attributes),
        "events": [
            {
                "name": name,
                "timeUnixNano": str(AT + int(at * SECOND)),
                "attributes": pairs(values),
            }
            for name, at, values in events
        ],
        **over,
    }


def make_traces(spans: Iterable[Body], **resource: Any) -> Body:
    """A request with spans; `resource`: its attributes, `service__name` for `service.name`."""
    named = {name.replace("__", "."): value for name, value in resource.items()}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs({"service.name": "helper"} | named)},
                "scopeSpans": [{"scope": {"name": "tests"}, "spans": list(spans)}],
            }
        ]
    }


def make_log(trace: int, span: int, name: str, body: Any, at: float = 0, **over: Any) -> Body:
    """A log record of an event."""
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{span:016x}",
        "eventName": name,
        "timeUnixNano": str(AT + int(at * SECOND)),
        "body": any_value(body),
        "attributes": pairs(over.pop("attributes", {})),
        **over,
    }


def make_logs(records: Iterable[Body]) -> Body:
    resource = {"attributes": pairs({"service.name": "helper"})}
    return {
        "resourceLogs": [
            {"resource": resource, "scopeLogs": [{"logRecords": list(records)}]},
        ]
    }


def to_protobuf(body: Body) -> bytes:
    """The same request in protobuf, through the messages of the OpenTelemetry protocol."""
    kind = ExportTraceServiceRequest if "resourceSpans" in body else ExportLogsServiceRequest
    text = json.dumps(body, default=str)
    message = json_format.Parse(_with_base64_ids(text), kind())
    return bytes(message.SerializeToString())


def _with_base64_ids(text: str) -> str:
    """Protobuf's own JSON has ids in base64; that of OTLP in hexadecimal."""

    def convert(found: Body) -> Body:
        for name in ("traceId", "spanId", "parentSpanId"):
            if found.get(name):
                found[name] = base64.b64encode(bytes.fromhex(found[name])).decode()
        return found

    return json.dumps(json.loads(text, object_hook=convert))


def chat(text: str, role: str = "user") -> Body:
    """A message in the parts of GenAI."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def genai(
    inputs: Iterable[Body], outputs: Iterable[Body], conversation: str | None = "c1", **over: Any
) -> Body:
    """Attributes of a call of a model in the current names of GenAI."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.input.messages": json.dumps(list(inputs)),
        "gen_ai.output.messages": json.dumps(list(outputs)),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        **({} if conversation is None else {"gen_ai.conversation.id": conversation}),
        **over,
    }


PATHS = {"/v1/traces", "/v1/logs"}
"""Routes whose errors have the form that OTLP says: a `Status` in the content type of the request."""
