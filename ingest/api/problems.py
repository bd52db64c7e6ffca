"""Answers every 4xx and 5xx as RFC 9457 problem+json, without repeating the input."""

import logging

import msgspec
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import (
    RequestValidationError,
    ValidationException,
    WebSocketRequestValidationError,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from ingest.errors import (
    IngestError,
    InvalidRequestError,
    LogUnavailableError,
    MethodNotAllowedError,
    NotFoundError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def problem_response(error: IngestError) -> Response:
    """Return `error` as a response."""
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode(error.problem()), error.status, headers, MEDIA_TYPE)


def unexpected_response(error: Exception) -> Response:
    """Return the response to an unexpected error; the server's log has the details."""
    if isinstance(error, OperationalError | PoolTimeoutError):
        logger.error("the log's database does not answer: %s", error)
        return problem_response(LogUnavailableError("the log cannot be read now; ask again"))
    logger.error("unexpected error", exc_info=error)
    return problem_response(IngestError("an internal error; the server's log has the details"))


def _invalid(error: ValidationException) -> InvalidRequestError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    return InvalidRequestError(f"{first['type'].replace('_', ' ')}", place)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as problem+json."""

    @app.exception_handler(IngestError)
    async def ingest_error(_request: Request, error: IngestError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def validation_error(_request: Request, error: RequestValidationError) -> Response:
        return problem_response(_invalid(error))

    @app.exception_handler(WebSocketRequestValidationError)
    async def socket_error(socket: WebSocket, error: WebSocketRequestValidationError) -> None:
        await socket.send_denial_response(problem_response(_invalid(error)))

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        kinds: dict[int, IngestError] = {
            404: NotFoundError("no such page; /docs lists all"),
            405: MethodNotAllowedError("this page does not take that method; /docs lists all"),
        }
        return problem_response(
            kinds.get(error.status_code) or InvalidRequestError("not a valid request")
        )

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> Response:
        return unexpected_response(error)
