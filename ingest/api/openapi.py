"""OpenAPI descriptions of routes that FastAPI cannot describe."""

from typing import Any

from ingest.api import openapi_document
from ingest.api.request_body import MAX_IDEMPOTENCY_KEY_BYTES
from ingest.errors import (
    EventConflictError,
    EventRejectedError,
    ForbiddenError,
    ForbiddenTypeError,
    IngestError,
    InvalidRequestError,
    LogUnavailableError,
    MalformedBodyError,
    MissingScopeError,
    OutcomeUnknownError,
    RateLimitedError,
    TooLargeError,
    UnauthorizedError,
    UnreadableStateError,
    UnsupportedMediaTypeError,
)
from ingest.events.conversation_errors import UnknownConversationError

WRITE_ERRORS: tuple[type[IngestError], ...] = (
    MalformedBodyError,
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    ForbiddenError,
    ForbiddenTypeError,
    UnknownConversationError,
    EventConflictError,
    TooLargeError,
    UnsupportedMediaTypeError,
    EventRejectedError,
    LogUnavailableError,
    UnreadableStateError,
)

READ_ERRORS = (
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    UnknownConversationError,
    InvalidRequestError,
    UnreadableStateError,
)


def problem_responses(errors: tuple[type[IngestError], ...]) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that may raise `errors`, with an example of each."""
    if LogUnavailableError in errors:
        errors = (*errors, OutcomeUnknownError)
    by_status: dict[int, list[type[IngestError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "; ".join(error.title for error in each),
            "content": {
                "application/problem+json": {
                    "schema": openapi_document.reference("Problem"),
                    "examples": {
                        error.code: {"value": error("what is wrong, what to do").problem()}
                        for error in each
                    },
                }
            },
        }
        for status, each in by_status.items()
    }


def describe_raw_route(
    body: type,
    answer: type,
    *,
    example: Any,
    batch_answer: type | None = None,
    parameters: dict[str, str] | None = None,
    errors: tuple[type[IngestError], ...] = (),
    is_edit: bool = False,
) -> dict[str, Any]:
    """Return `openapi_extra` of a hot route: its body, its parameters, its responses, its errors.

    With `batch_answer` it also takes an array of bodies, or NDJSON, and answers that then.
    """
    body_schema = _schema(body)
    content = {"application/json": {"schema": body_schema, "example": example}}
    if batch_answer is not None:
        content["application/json"]["schema"] = {
            "anyOf": [{"type": "array", "items": body_schema}, body_schema]
        }
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
    answers = {
        "200": ("On disk already", _schema(answer)),
        "201": ("On disk", _schema(answer)),
        "202": ("On disk, and waits for the message that it speaks of", _schema(answer)),
    }
    if batch_answer is not None:
        batch = _schema(batch_answer)
        either = {"anyOf": [batch, _schema(answer)]}
        answers["200"] = ("On disk already, or a batch that is on disk", either)
        answers["207"] = ("A batch with some rejected events", batch)
    extra: dict[str, Any] = {
        "requestBody": {"required": True, "content": content},
        "responses": {
            **{
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": schema}},
                }
                for status, (text, schema) in answers.items()
            },
            **{
                str(status): response
                for status, response in problem_responses((*WRITE_ERRORS, *errors)).items()
            },
        },
    }
    headers = (_IDEMPOTENCY_KEY, _IF_MATCH) if is_edit else (_IDEMPOTENCY_KEY,)
    extra["parameters"] = [*path_parameters(parameters or {}), *headers]
    return extra


def describe_records_route(
    body: type,
    answer: type,
    *,
    example: Any,
    frameworks: list[str],
    errors: tuple[type[IngestError], ...],
) -> dict[str, Any]:
    """Return `openapi_extra` of the route of bot frameworks' records: one, an array, or NDJSON."""
    record = _schema(body)
    schema = {"anyOf": [{"type": "array", "items": record}, record]}
    content = {"application/json": {"schema": _schema(answer)}}
    framework = {"type": "string", "enum": frameworks}
    return {
        "parameters": [{"name": "framework", "in": "path", "required": True, "schema": framework}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "example": example},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": {"description": "On disk", "content": content},
            "207": {"description": "Some events were rejected", "content": content},
            **{str(status): each for status, each in problem_responses(errors).items()},
        },
    }


def describe_answer(answer: type) -> dict[int | str, dict[str, Any]]:
    """Return `responses` of a route that encodes a struct itself."""
    return {
        200: {
            "description": "Successful Response",
            "content": {"application/json": {"schema": _schema(answer)}},
        }
    }


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeats with the same key and body get the first answer; another body a 409.",
    "schema": {"type": "string", "maxLength": MAX_IDEMPOTENCY_KEY_BYTES},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was read; 412 if the object changed.",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,18}")$'},
}


def path_parameters(parameters: dict[str, str]) -> list[dict[str, Any]]:
    """Return parameters of a path, by name and pattern, for a route that reads them itself."""
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": pattern},
        }
        for name, pattern in parameters.items()
    ]


def _schema(kind: type) -> dict[str, Any]:
    """Return a reference to the component of a struct."""
    openapi_document.STRUCTS.add(kind)
    return openapi_document.reference(kind.__name__)
