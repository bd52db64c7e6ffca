"""The fast path: hot requests skip FastAPI's routing."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ingest.api.id_paths import IdConvertor, keep_slashes
from ingest.api.intake import BOTS_PATH
from ingest.api.problems import problem_response, unexpected_response
from ingest.api.request_body import BODY_METHODS, declare_json, limit_body
from ingest.api.routes.bots import record_bot_records
from ingest.api.routes.channel_calls import take_call
from ingest.api.routes.events import record_events
from ingest.api.routes.live import stream_conversation
from ingest.api.routes.messages import create_message
from ingest.api.routes.otlp import export_logs, export_traces
from ingest.auth.rate_limiter import RATE_LIMIT_STATE, with_rate_limit_headers
from ingest.errors import IngestError, UnsupportedMediaTypeError


class FastPathMiddleware:
    """ASGI middleware: calls the endpoint of a hot request directly, and the application for all others."""

    def __init__(self, app: FastAPI) -> None:
        """`app`: the application for all other requests."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "lifespan":
            keep_slashes(scope)
        if scope["type"] == "websocket" and (after := _after_sequence(scope)) is not None:
            scope["app"] = self._app
            socket = WebSocket(scope, receive, send)
            await stream_conversation(socket, scope["path_params"]["conversation_id"], after)
            return
        endpoint = (
            _endpoint(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        )
        if endpoint is None:
            await self._serve(scope, receive, send)
            return
        scope["app"] = self._app
        try:
            response = await endpoint(Request(scope, receive))
        except IngestError as error:
            response = problem_response(error)
        except ClientDisconnect:
            return
        except Exception as error:
            response = unexpected_response(error)
        if RATE_LIMIT_STATE in scope:
            response.raw_headers += scope[RATE_LIMIT_STATE].headers()
        await response(scope, receive, send)

    def stop_waiting(self) -> None:
        """Answer the long polls now: the server stops."""
        self._app.state.context.broadcaster.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that is not hot."""
        if scope["type"] == "http":
            receive, send = limit_body(receive), with_rate_limit_headers(scope, send)
            if scope["method"] in BODY_METHODS:
                try:
                    declare_json(scope)
                except UnsupportedMediaTypeError as error:
                    await problem_response(error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _endpoint(scope: Scope) -> Callable[[Request], Coroutine[Any, Any, Response]] | None:
    path = scope["path"]
    if path in _ENDPOINTS:
        return _ENDPOINTS[path]
    if path.startswith("/channels/"):
        scope["path_params"] = {"account_id": path.removeprefix("/channels/")}
        return take_call
    if path.startswith(BOTS_PATH):
        scope["path_params"] = {"framework": path.removeprefix(BOTS_PATH)}
        return record_bot_records
    found = _MESSAGES.match(path)
    if found is None:
        return None
    scope["path_params"] = {"conversation_id": _TO_ID(found.group(1))}
    return create_message


def _after_sequence(scope: Scope) -> int | None:
    """Return where a subscriber of one conversation begins; None for other sockets and unusual queries.

    An open socket keeps all that led to its endpoint. Without FastAPI's routing that is a quarter less.
    """
    path, query = _LIVE.match(scope["path"]), _AFTER_SEQUENCE.match(scope["query_string"])
    if path is None or query is None:
        return None
    scope["path_params"] = {"conversation_id": _TO_ID(path.group(1))}
    return int(query.group(1) or 0)


_ENDPOINTS = {
    "/v1/events": record_events,
    "/v1/traces": export_traces,
    "/v1/logs": export_logs,
}
_TO_ID = IdConvertor().convert
_MESSAGES = re.compile(r"/v1/conversations/([^/]+)/messages\Z")
_LIVE = re.compile(r"/v1/conversations/([^/]+)/live\Z")
_AFTER_SEQUENCE = re.compile(rb"(?:after_sequence=([0-9]{1,18}))?\Z")
