"""The OpenAPI document: FastAPI's, completed by what FastAPI does not know.

Named components of the structs of raw routes, the event, the problem, the webhook's request, the security
scheme, and patterns in ECMA-262 instead of Python's dialect.
"""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ingest.contract import COLUMNS, ColumnType
from ingest.delivery.destinations.webhook import DeliveryBody

Schema = dict[str, Any]

STRUCTS: set[type] = {DeliveryBody}
"""The bodies and answers of raw routes; `describe_raw_route` adds them when a route is defined."""

EVENT = "Event"
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`ck_…`, from `convolake keys create`), or a user token of `POST /v1/tokens`.",
}
_PUBLIC = ("/asyncapi.json", "/healthz", "/readyz", "/metrics", "/chat")
"""Paths that need no key, with everything below them."""


def reference(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` return the completed document."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(app: FastAPI) -> Schema:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "This installation"}],
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name, schema in {**_struct_schemas(), EVENT: _event(), "Problem": _problem()}.items():
        if name in schemas:
            raise ValueError(f"two schemas are called {name}")
        schemas[name] = schema
    schemas["EventPage"]["properties"]["items"]["items"] = reference(EVENT)
    components["securitySchemes"] = {"key": _SCHEME}
    document["security"] = [{"key": []}]
    for path, operations in document["paths"].items():
        if path.startswith(_PUBLIC):
            for operation in operations.values():
                operation["security"] = []
    document["tags"] = _tags(document)
    document["webhooks"] = _webhooks()
    for schema in schemas.values():
        _open_up(schema)
    translated: Schema = _to_ecma(document)
    return translated


def _tags(document: Schema) -> list[dict[str, Any]]:
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = {tag for operation in operations for tag in operation.get("tags", ())}
    return [{"name": name, "description": f"Operations on {name}."} for name in sorted(names)]


def _struct_schemas() -> dict[str, Schema]:
    _, schemas = msgspec.json.schema_components(
        sorted(STRUCTS, key=lambda kind: kind.__name__),
        ref_template="#/components/schemas/{name}",
        schema_hook=lambda _: reference("Problem"),
    )
    schemas["DeliveryBody"]["properties"]["data"] = reference(EVENT)
    return schemas


def event_columns() -> dict[str, Schema]:
    """Return the schema of each column of an event."""
    return {
        column.name: _column(column.type) | {"description": column.meaning} for column in COLUMNS
    }


def _column(kind: ColumnType) -> Schema:
    match kind:
        case "string":
            return {"type": "string"}
        case "int16" | "int64":
            return {"type": "integer"}
        case "bool":
            return {"type": "boolean"}
        case "timestamp[us, tz=UTC]":
            return {"type": "string", "format": "date-time"}


def _event() -> Schema:
    columns = event_columns() | {
        "payload": {
            "type": "object",
            "description": "the rest, per type",
            "additionalProperties": True,
        },
        "withheld": {
            "type": "boolean",
            "description": "true: the caller may not see it; only its sequence is given",
        },
        "control": reference("ControlView"),
    }
    return {
        "title": EVENT,
        "description": "The columns of an event that are not null. `control`, who has control now, comes "
        "in webhooks and on sockets only.",
        "type": "object",
        "properties": columns,
    }


def _problem() -> Schema:
    return {
        "title": "Problem",
        "description": "An error (RFC 9457). Some codes have further members.",
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "retryable"],
        "additionalProperties": True,
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "stable; the reference lists all"},
            "detail": {"type": "string", "description": "what is wrong, and what to do"},
            "retryable": {"type": "boolean", "description": "the same request may succeed later"},
            "field": {"type": "string", "description": "the place of the fault, such as `$.text`"},
        },
    }


def _webhooks() -> dict[str, Any]:
    example = {
        "type": "message.created",
        "timestamp": "2030-01-01T10:00:00Z",
        "data": {
            "event_id": "order-7-m1",
            "event_type": "message.created",
            "conversation_id": "order-7",
            "sequence": 3,
            "participant_id": "ada",
            "participant_role": "customer",
            "text": "Where is my order?",
            "control": {"owner": "bot", "participant_id": None, "epoch": 1},
        },
    }
    header = {"in": "header", "required": True, "schema": {"type": "string"}}
    operation = {
        "operationId": "receive_event",
        "summary": "An event, as a webhook gets it",
        "description": "Signed by Standard Webhooks. Each event arrives in the order of its conversation, "
        "at least once, with the same `webhook-id`. Answer 2xx; 410 disables the webhook.",
        "tags": ["webhooks"],
        "parameters": [
            header | {"name": name, "description": meaning}
            for name, meaning in (
                ("webhook-id", "the delivery's id, the same in every attempt"),
                ("webhook-timestamp", "seconds since 1970, of this attempt"),
                ("webhook-signature", "HMAC-SHA256 over id, timestamp and body"),
            )
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": reference("DeliveryBody"), "example": example}
            },
        },
        "responses": {
            "204": {"description": "Accepted"},
            "410": {"description": "Gone: the webhook is disabled"},
        },
    }
    return {"event": {"post": operation}}


def _open_up(schema: Any) -> None:
    """Say in the client generators' way what a schema leaves open.

    They take a field with a `default` for one that is always there, and an object without properties for
    an empty one. So a default is named in the description instead.
    """
    if isinstance(schema, list):
        for each in schema:
            _open_up(each)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and not schema.keys() & {
        "properties",
        "additionalProperties",
    }:
        schema["additionalProperties"] = True
    default = schema.get("default")
    # A dict that is not empty is the schema of a property called "default".
    if "default" in schema and not (isinstance(default, dict) and default):
        del schema["default"]
        if default not in (None, [], {}, False):
            text = f"{default} if unset"
            schema["description"] = "; ".join(filter(None, (schema.get("description"), text)))
    for each in schema.values():
        _open_up(each)


def _to_ecma(node: Any) -> Any:
    """Translate patterns: the end of the text is another sign in Python than in ECMA-262."""
    if isinstance(node, dict):
        return {
            key: value.replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else _to_ecma(value)
            for key, value in node.items()
        }
    return [_to_ecma(each) for each in node] if isinstance(node, list) else node
