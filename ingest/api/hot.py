"""The hot routes: one message, one event, a batch.

FastAPI's own request handling costs more than the commit does. `HotPath` stands before its
router and hands these requests to the very endpoints that the router has, which therefore stay
ordinary routes: on the API page (`openapi_extra` describes them) and served without it too.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.api import bodies
from ingest.api.describe import described
from ingest.api.problems import problem_response
from ingest.api.state import authorize, state_of
from ingest.contract import Visibility
from ingest.errors import IngestError
from ingest.log.folds import ID_PATTERN, Draft, Id, Instant
from ingest.log.writer import Acknowledgement


class HotRoute(APIRoute):
    """A route whose endpoint takes the request and gives the response, with nothing between."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return cast("Callable[[Request], Coroutine[Any, Any, Response]]", self.endpoint)


class HotPath:
    """ASGI middleware: straight to the endpoint for a hot request, to the application for all else."""

    def __init__(self, app: ASGIApp) -> None:
        """`app`: what serves everything else."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = (
            _endpoint(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        )
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await endpoint(Request(scope, receive))
        except IngestError as error:
            response = problem_response(error)
        await response(scope, receive, send)


def _endpoint(scope: Scope) -> Callable[[Request], Coroutine[Any, Any, Response]] | None:
    path = scope["path"]
    if path == "/v1/events":
        return record_events
    found = _MESSAGES.match(path)
    if found is None:
        return None
    scope["path_params"] = {"conversation_id": found.group(1)}
    return create_message


_MESSAGES = re.compile(r"/v1/conversations/([^/]+)/messages\Z")


class NewMessage(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message to put on the record and deliver. `event_id` makes it safe to send again."""

    participant_id: Id
    text: str | None = None
    event_id: Id | None = None
    message_id: Id | None = None
    in_reply_to: Id | None = None
    bot_version: Id | None = None
    visibility: Visibility | None = None
    occurred_at: Instant | None = None
    payload: dict[str, Any] | None = None


class BatchAnswer(Struct, kw_only=True):
    """How many events became what, and an acknowledgement for each, in the order sent."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    results: list[Acknowledgement]


def _problem(value: Any) -> Any:
    if isinstance(value, IngestError):
        return value.problem()
    raise TypeError(type(value).__name__)


_MESSAGE = msgspec.json.Decoder(NewMessage)
_DRAFT = msgspec.json.Decoder(Draft)
_ENCODER = msgspec.json.Encoder(enc_hook=_problem)

router = APIRouter(route_class=HotRoute, prefix="/v1")


@router.post(
    "/conversations/{conversation_id}/messages",
    summary="Post a message",
    tags=["messages"],
    openapi_extra=described(
        NewMessage,
        Acknowledgement,
        example={"participant_id": "ada", "text": "Where is my order?"},
        parameters={"conversation_id": ID_PATTERN},
    ),
)
async def create_message(request: Request) -> Response:
    """Put a message on the record. 201 says that it is on disk; 200 that it already was."""
    source = authorize(request)
    body = await bodies.read_body(request, bodies.EVENT_BYTES)
    new = bodies.decode(body, _MESSAGE)
    draft = Draft(
        event_type="message.created",
        conversation_id=request.path_params["conversation_id"],
        participant_id=new.participant_id,
        text=new.text,
        event_id=new.event_id,
        message_id=new.message_id,
        in_reply_to=new.in_reply_to,
        bot_version=new.bot_version,
        visibility=new.visibility,
        occurred_at=new.occurred_at,
        payload=new.payload,
    )
    return await write_one(request, draft, source)


@router.post(
    "/events",
    summary="Record events",
    tags=["events"],
    openapi_extra=described(
        Draft,
        BatchAnswer,
        many=True,
        example=[
            {"event_type": "conversation.created", "conversation_id": "order-7", "channel": "web"},
            {
                "event_type": "message.created",
                "event_id": "order-7-m1",
                "conversation_id": "order-7",
                "participant_id": "ada",
                "participant_role": "customer",
                "text": "Where is my order?",
            },
        ],
    ),
)
async def record_events(request: Request) -> Response:
    """Put facts on the record: one event (an object) or a batch (an array, or NDJSON).

    At most 10,000 events or 8 MiB at once, 256 KiB an event. A batch answers 200 if every
    event is on disk, 207 if some were refused; `results` tells of each, in the order sent.
    """
    source = authorize(request)
    body = await bodies.read_body(request, bodies.BATCH_BYTES)
    content_type = bodies.media_type(request)
    if content_type in bodies.JSON_TYPES and body.lstrip()[:1] == b"{":
        return await write_one(request, bodies.decode_event(body, _DRAFT), source)
    results = await _write_batch(request, bodies.split_batch(body, content_type), source)
    answer = BatchAnswer(results=results)
    for result in results:
        setattr(answer, result.status, getattr(answer, result.status) + 1)
    status = 207 if answer.conflict or answer.rejected else 200
    return Response(_ENCODER.encode(answer), status, media_type="application/json")


async def write_one(request: Request, draft: Draft, source: str) -> Response:
    """Put one draft on the record and answer 201, 200 for a duplicate, or its problem."""
    state = state_of(request)
    answers = await state.writer.submit([draft], source)
    state.metrics.count(answers)
    answer = answers[0]
    if answer.error is not None:
        raise answer.error
    status = 201 if answer.status == "accepted" else 200
    return Response(_ENCODER.encode(answer), status, media_type="application/json")


async def _write_batch(request: Request, events: list[Any], source: str) -> list[Acknowledgement]:
    state = state_of(request)
    results: list[Acknowledgement | None] = []
    drafts: list[Draft] = []
    for event in events:
        try:
            drafts.append(bodies.decode_event(event, _DRAFT))
            results.append(None)
        except IngestError as error:
            results.append(Acknowledgement(status="rejected", event_id=None, error=error))
    answers = iter(await state.writer.submit(drafts, source) if drafts else [])
    merged = [next(answers) if result is None else result for result in results]
    state.metrics.count(merged)
    return merged
