"""The AsyncAPI document of the WebSockets: their addresses and frames. OpenAPI describes HTTP only."""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIWebSocketRoute

from ingest.api.routes import live
from ingest.delivery.live import protocol

Schema = dict[str, Any]
Frame = Callable[..., bytes]

FRAMES: dict[str, Frame] = {
    "event": protocol.event_frame,
    "live": protocol.live_frame,
    "heartbeat": protocol.heartbeat_frame,
    "typing": protocol.typing_frame,
}
"""Every frame, by its `type`."""


def install(app: FastAPI) -> None:
    """Serve the document at `/asyncapi.json`."""

    @app.get("/asyncapi.json", tags=["operations"])
    def asyncapi() -> Schema:
        """Return the AsyncAPI document of the WebSockets: their addresses and frames."""
        return asyncapi_document(app.openapi())


def asyncapi_document(openapi: Schema) -> Schema:
    """Return the document. Its events are those of `openapi`, so both describe them alike."""
    routes = [route for route in live.router.routes if isinstance(route, APIWebSocketRoute)]
    channels = {route.name: _channel(route) for route in routes}
    schemas = openapi["components"]["schemas"]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Convolake live events",
            "version": openapi["info"]["version"],
            "description": "Events of one conversation or of all, in order and without a gap. "
            "The server sends and the client listens; write by HTTP.",
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": "live", "description": "Events as they are committed."}],
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            name: {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": channel["description"].partition(". ")[0],
                "description": channel["description"],
                "security": [{"$ref": "#/components/securitySchemes/key"}],
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{frame}"} for frame in channel["messages"]
                ],
            }
            for name, channel in channels.items()
        },
        "components": {
            "messages": {name: _message(name, frame) for name, frame in FRAMES.items()},
            "schemas": {name: schemas[name] for name in ("Event", "ControlView")},
            "securitySchemes": openapi["components"]["securitySchemes"],
        },
    }


def _channel(route: APIWebSocketRoute) -> Schema:
    is_conversation = "{" in route.path_format
    names = [name for name in FRAMES if is_conversation or name != "typing"]
    query = {
        field.alias: {
            "type": "integer" if is_conversation else "string",
            "description": field.field_info.description,
        }
        for field in route.dependant.query_params
    }
    channel: Schema = {
        "address": route.path_format,
        "description": " ".join((inspect.getdoc(route.endpoint) or "").split()),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"query": {"type": "object", "properties": query}}},
    }
    if is_conversation:
        channel["parameters"] = {"conversation_id": {"description": "percent-encoded"}}
    return channel


def _message(name: str, frame: Frame) -> Schema:
    properties: Schema = {"type": {"const": name}}
    match name:
        case "event":
            properties["event"] = {"$ref": "#/components/schemas/Event"}
            properties["after"] = {"type": "string", "description": "cursor; on /v1/live only"}
        case "typing":
            properties["items"] = {"type": "array", "items": {"type": "object"}}
        case _:
            properties["after_sequence"] = {"type": "integer", "description": "of a conversation"}
            properties["after"] = {"type": "string", "description": "cursor; on /v1/live only"}
    return {
        "name": name,
        "summary": " ".join((inspect.getdoc(frame) or "").split()),
        "payload": {"type": "object", "required": ["type"], "properties": properties},
    }
