"""OpenTelemetry: a bot is logged by setting the endpoint of its exporter and the key.

Its SDK sends OTLP over HTTP, in protobuf or JSON, to `/v1/traces` and `/v1/logs` of the endpoint.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from ingest.api import openapi_document
from ingest.api.dependencies import authorize, get_context, preload_credentials
from ingest.api.raw_route import RawRoute
from ingest.api.request_body import header, media_type, receive_body
from ingest.auth.permissions import Caller
from ingest.bots.otlp import answers, json_wire, protobuf_wire
from ingest.bots.otlp.answers import Signal
from ingest.bots.otlp.grouping import Sender
from ingest.bots.otlp.span import Decoded
from ingest.errors import (
    IngestError,
    LogUnavailableError,
    MalformedBodyError,
    MissingScopeError,
    RateLimitedError,
    TooLargeError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_UNPACKED_BYTES = 32 * 1024 * 1024
"""Maximum sizes of a body, as it is sent and without compression."""

RETRY_SECONDS = 1
"""Pause that a client makes after an answer that it may repeat, unless the error says another."""

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
KEY_HEADERS = (b"x-api-key", b"api-key")
"""Headers that may have the API key instead of `Authorization`."""

RPC_CODES: Mapping[int, int] = {400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 422: 3, 429: 8, 503: 14}
"""Codes of `google.rpc.Status` by the status of HTTP."""
INTERNAL = 13

ERRORS = (
    MalformedBodyError,
    UnauthorizedError,
    MissingScopeError,
    TooLargeError,
    UnsupportedMediaTypeError,
    RateLimitedError,
    LogUnavailableError,
)

_DECODERS: Mapping[tuple[Signal, bool], Callable[[bytes], Decoded]] = {
    ("traces", True): json_wire.decode_traces,
    ("logs", True): json_wire.decode_logs,
    ("traces", False): protobuf_wire.decode_traces,
    ("logs", False): protobuf_wire.decode_logs,
}


def _describe(body: type, example: object) -> dict[str, object]:
    """Return `openapi_extra` of a route: its bodies, and its answers, in the format of the body."""
    answers_by_status: dict[str, object] = {
        "200": {
            "description": "On disk; `partialSuccess` says how many were rejected, and why",
            "content": _content(answers.ExportResponse, {}),
        }
    }
    for error in ERRORS:
        problem = error("what is wrong, what to do")
        status = {"code": RPC_CODES[error.status], "message": problem.detail}
        content = _content(answers.RpcStatus, status)
        answers_by_status[str(error.status)] = {"description": error.title, "content": content}
    body_content = {"required": True, "content": _content(body, example)}
    return {"requestBody": body_content, "responses": answers_by_status}


def _content(kind: type, example: object) -> dict[str, object]:
    openapi_document.STRUCTS.add(kind)
    schema = openapi_document.reference(kind.__name__)
    return {JSON: {"schema": schema, "example": example}, PROTOBUF: {"schema": {"type": "string"}}}


raw = APIRouter(tags=["bots"], route_class=RawRoute)


@raw.post(
    "/v1/traces",
    response_class=Response,
    openapi_extra=_describe(answers.ExportTraceServiceRequest, {"resourceSpans": []}),
)
async def export_traces(request: Request) -> Response:
    """Take spans of OpenTelemetry. Those of calls of models, tools and agents become a conversation.

    A span is stored when this answers; its events follow when its trace is complete. Other spans are left out.
    Times of spans count as `happened_at`; those older than 24 hours only for keys with the scope import.
    """
    return await _export(request, "traces")


@raw.post(
    "/v1/logs",
    response_class=Response,
    openapi_extra=_describe(answers.ExportLogsServiceRequest, {"resourceLogs": []}),
)
async def export_logs(request: Request) -> Response:
    """Take log records of OpenTelemetry. Those named `gen_ai.…` have the content of a call of a model."""
    return await _export(request, "logs")


async def _export(request: Request, signal: Signal) -> Response:
    is_json = media_type(request) != PROTOBUF
    kind = JSON if is_json else PROTOBUF
    try:
        caller = await _authorize(request)
        body = await _read_body(request)
        decode = partial(_decode, _DECODERS[signal, is_json], body)
        rejected = await get_context(request).otlp.take(
            _sender(caller), decode, keeps_times=caller.gives_times
        )
    except IngestError as error:
        return _error_response(error, kind, is_json=is_json)
    return Response(answers.success(signal, rejected, is_json=is_json), media_type=kind)


async def _authorize(request: Request) -> Caller:
    """Return the caller; an API key in a header of its own counts as a Bearer token."""
    if not header(request, b"authorization"):
        key = next((each for name in KEY_HEADERS if (each := header(request, name))), "")
        if key:
            request.scope["convolake.headers"][b"authorization"] = f"Bearer {key}".encode("latin-1")
    await preload_credentials(request)
    return authorize(request, "events:write")


def _sender(caller: Caller) -> Sender:
    return Sender(caller.source, ",".join(sorted(caller.channels)))


async def _read_body(request: Request) -> bytes:
    if media_type(request) not in (JSON, PROTOBUF):
        raise UnsupportedMediaTypeError(f"send OTLP as {PROTOBUF} or {JSON}")
    encoding = header(request, b"content-encoding").lower()
    if encoding not in ("", "identity", "gzip"):
        raise UnsupportedMediaTypeError("send the body with Content-Encoding gzip, or without one")
    body = await receive_body(request, MAX_BODY_BYTES)
    return await run_in_threadpool(unpack, body) if encoding == "gzip" else body


def _decode(decode: Callable[[bytes], Decoded], body: bytes) -> Decoded:
    try:
        return decode(body)
    except (*json_wire.UNREADABLE, *protobuf_wire.UNREADABLE) as error:
        raise MalformedBodyError("the body is not a request of OTLP") from error


def unpack(body: bytes) -> bytes:
    """Return a body without gzip, at most MAX_UNPACKED_BYTES. Raises TooLargeError, MalformedBodyError."""
    parts: list[bytes] = []
    left = MAX_UNPACKED_BYTES + 1
    while body and left > 0:
        inflater = zlib.decompressobj(wbits=31)
        try:
            parts.append(inflater.decompress(body, left))
        except zlib.error as error:
            raise MalformedBodyError("the body is not gzip") from error
        left -= len(parts[-1])
        if left > 0 and not inflater.eof:
            raise MalformedBodyError("the body is cut off")
        body = inflater.unused_data
    if left <= 0:
        raise TooLargeError(f"at most {MAX_UNPACKED_BYTES} bytes without compression")
    return b"".join(parts)


def _error_response(error: IngestError, kind: str, *, is_json: bool) -> Response:
    """Return an error as OTLP says; a client repeats 429 and 503 after the time of `Retry-After`."""
    code = RPC_CODES.get(error.status, INTERNAL)
    headers = {}
    if error.retryable or error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after or RETRY_SECONDS)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = answers.status(code, error.detail, is_json=is_json)
    return Response(body, error.status, headers, kind)
