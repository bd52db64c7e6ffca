"""The hot routes: one message, one event, a batch.

FastAPI's own request handling costs more than the commit does. `HotPath` stands before the
application and hands these requests to the very endpoints that its router has, which therefore
stay ordinary routes: on the API page (`openapi_extra` describes them), and served without it too.
"""

import re
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ingest.api.arrivals import NewMessage, encode, read_message, take_batch, take_one
from ingest.api.bodies import limited
from ingest.api.describe import described
from ingest.api.limits import ALLOWANCE, telling
from ingest.api.problems import problem_response, unexpected_response
from ingest.api.scopes import TAKE_PART
from ingest.errors import (
    ConversationClosedError,
    HookFailedError,
    IngestError,
    MessageExistsError,
    RefusedByHookError,
    StaleEpochError,
)
from ingest.log.drafts import ID_PATTERN, Draft
from ingest.log.submission import Acknowledgement


class HotRoute(APIRoute):
    """A route whose endpoint takes the request and gives the response, with nothing between."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return cast("Callable[[Request], Coroutine[Any, Any, Response]]", self.endpoint)


class HotPath:
    """ASGI: straight to the endpoint for a hot request, to the application for all else."""

    def __init__(self, app: FastAPI) -> None:
        """`app`: what serves everything else."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = (
            _endpoint(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        )
        if endpoint is None:
            if scope["type"] == "http":
                receive, send = limited(receive), telling(scope, send)
            await self._app(scope, receive, send)
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
        if ALLOWANCE in scope:
            response.raw_headers += scope[ALLOWANCE].headers()
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


class BatchAnswer(Struct, kw_only=True):
    """How many events became what, and an acknowledgement for each, in the order sent."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    results: list[Acknowledgement]


router = APIRouter(route_class=HotRoute, prefix="/v1")


@router.post(
    "/conversations/{conversation_id}/messages",
    summary="Post a message",
    tags=["messages"],
    openapi_extra=described(
        NewMessage,
        Acknowledgement,
        example={"participant_id": "ada", "text": "Where is my order?"},
        errors=(
            ConversationClosedError,
            MessageExistsError,
            StaleEpochError,
            RefusedByHookError,
            HookFailedError,
        ),
        parameters={"conversation_id": ID_PATTERN},
    ),
)
async def create_message(request: Request) -> Response:
    """Put a message on the record. 201 says that it is on disk; 200 that it already was."""
    reader = partial(read_message, request.path_params["conversation_id"])
    return await take_one(request, reader, TAKE_PART, is_asked=True)


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
    results = await take_batch(request)
    if isinstance(results, Response):
        return results
    counts = Counter(result.status for result in results)
    answer = BatchAnswer(
        accepted=counts["accepted"],
        duplicate=counts["duplicate"],
        conflict=counts["conflict"],
        rejected=counts["rejected"],
        parked=counts["parked"],
        results=list(results),
    )
    status = 207 if answer.conflict or answer.rejected else 200
    return Response(encode(answer), status, media_type="application/json")
