"""WebSockets: the events of one conversation or of all, as they are committed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, ParamSpec, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from ingest.api.dependencies import (
    authenticate,
    get_context,
    get_visible_conversation,
    preload_credentials,
)
from ingest.api.problems import problem_response
from ingest.api.server import CLIENT_DISCONNECTED
from ingest.auth.permissions import PARTICIPATE, Caller
from ingest.delivery.live.broadcaster import (
    PAGE_EVENTS,
    CommittedEvent,
    Feed,
    FeedUpdate,
    encode_json,
    stream_feed,
)
from ingest.delivery.live.protocol import (
    HEARTBEAT_SECONDS,
    SUBPROTOCOL,
    CloseCode,
    event_frame,
    heartbeat_frame,
    live_frame,
    typing_frame,
)
from ingest.errors import (
    ForbiddenError,
    IngestError,
    InvalidRequestError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
    UnknownConversationError,
)
from ingest.events.event_view import render_event
from ingest.log import queries
from ingest.log.queries import list_event_views

logger = logging.getLogger(__name__)


P = ParamSpec("P")


T = TypeVar("T")


router = APIRouter(prefix="/v1")


AfterSequence = Annotated[int, Query(ge=0, lt=2**63, description="the last sequence you saw")]


AfterPosition = Annotated[int, Query(ge=0, lt=2**63, description="the last position you saw")]


@router.websocket("/conversations/{conversation_id}/live")
async def stream_conversation(
    socket: WebSocket, conversation_id: str, after_sequence: AfterSequence = 0
) -> None:
    """What happens in a conversation, in its order, for ever. For keys with `read`, and users with a token."""
    api = get_context(socket)
    try:
        await preload_credentials(socket)
        caller = _authorize_socket(socket, "read", PARTICIPATE)
        await _run_limited(
            socket, api.connection_slots, get_visible_conversation, api, conversation_id, caller
        )
    except IngestError as error:
        await socket.send_denial_response(problem_response(error))
        return
    except WebSocketDisconnect:
        return
    is_customers = caller.user is not None and caller.user.view == "customer"
    feed = _conversation_feed(socket, conversation_id, "customer" if is_customers else "all")
    await _serve(socket, feed, after_sequence, "after_sequence")


@router.websocket("/live")
async def stream_all(socket: WebSocket, after_position: AfterPosition = 0) -> None:
    """What happens in all conversations that you may see, in the order of the log: for an agents' desk.

    For keys with `read`, and for agents with a token.
    """
    try:
        await preload_credentials(socket)
        caller = _authorize_socket(socket, "read")
    except IngestError as error:
        await socket.send_denial_response(problem_response(error))
        return
    await _serve(socket, _desk_feed(socket, caller), after_position, "after_position")


HANDSHAKE_ERRORS = (
    UnauthorizedError,
    MissingScopeError,
    ForbiddenError,
    UnknownConversationError,
    InvalidRequestError,
    RateLimitedError,
)
"""What may be answered by HTTP, as everywhere, instead of opening a socket."""


def _authorize_socket(socket: WebSocket, *scopes: str) -> Caller:
    """Who listens. Raises what stands against it."""
    _check_origin(socket)
    for protocol in socket.scope["subprotocols"]:
        if protocol.startswith("token."):
            headers = dict(socket.scope["headers"])
            headers[b"authorization"] = f"Bearer {protocol.removeprefix('token.')}".encode()
            socket.scope["convolake.headers"] = headers
    caller = _caller(socket, *scopes)
    get_context(socket).rate_limiter.check(socket.scope, caller)
    return caller


def _caller(socket: WebSocket, *scopes: str) -> Caller:
    """Who listens now: a key may have been revoked since, a token may have ended."""
    caller = authenticate(socket)
    caller.require_scope(*scopes)
    if conversation_id := socket.path_params.get("conversation_id"):
        caller.require_access(conversation_id)
    return caller


def _check_origin(socket: WebSocket) -> None:
    """A browser lets any page open a socket, and names the page: it must be one of ours."""
    origin = socket.headers.get("origin")
    if origin is None or origin in get_context(socket).allowed_origins:
        return
    if urlsplit(origin).netloc != socket.headers.get("host"):
        raise ForbiddenError("this page may not listen; the setting `origins` lists those that may")


async def _run_limited(
    socket: WebSocket,
    turns: asyncio.Semaphore,
    read: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Read the store when it is this listener's turn: if all come at once, nobody else waits.

    Who gave up meanwhile costs nothing: raises WebSocketDisconnect. Else those who come again would
    stand behind what they left, and none would be in time.
    """
    async with turns:
        if socket.scope.get(CLIENT_DISCONNECTED, bool)():
            raise WebSocketDisconnect(1006)
        return await run_in_threadpool(read, *args, **kwargs)


def _conversation_feed(socket: WebSocket, conversation_id: str, view: str) -> Feed:
    api = get_context(socket)

    def read(after: int) -> list[tuple[int, bytes]]:
        events = list_event_views(
            api.engine, conversation_id, PAGE_EVENTS, queries.SequenceRange(after), view
        )
        return [(each["sequence"], encode_json(each)) for each in events]

    return Feed(
        conversation_id,
        lambda row: row.sequence or 0,
        lambda after: _run_limited(socket, api.catch_up_slots, read, after),
        (lambda event: event.for_all) if view == "all" else (lambda event: event.for_customer),
    )


def _desk_feed(socket: WebSocket, caller: Caller) -> Feed:
    api = get_context(socket)

    def is_for_them(conversation_id: str | None) -> bool:
        if conversation_id is None:
            return False
        if (
            caller.channels
            and api.conversation_channels.get(conversation_id) not in caller.channels
        ):
            return False
        user = caller.user
        return user is None or not user.conversation_ids or conversation_id in user.conversation_ids

    def read(after: int) -> list[tuple[int, bytes]]:
        return [
            (
                row["position"],
                encode_json(render_event(row, "all"))
                if is_for_them(row["conversation_id"])
                else b"",
            )
            for row in queries.list_committed(api.engine, after, PAGE_EVENTS)
        ]

    def frame(event: CommittedEvent) -> bytes:
        mine = is_for_them(event.row.conversation_id)
        return event.for_all if mine else b""

    return Feed(
        None,
        lambda row: row.position,
        lambda after: _run_limited(socket, api.catch_up_slots, read, after),
        frame,
    )


async def _serve(socket: WebSocket, feed: Feed, after: int, place: str) -> None:
    """Tell until the client goes. What it says is not for here."""
    offered = socket.scope["subprotocols"]
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    telling = asyncio.create_task(_send_frames(socket, feed, after, place))
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            await socket.close(CloseCode.ONLY_TELLS, "this socket only tells; write by HTTP")
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _send_frames(socket: WebSocket, feed: Feed, after: int, place: str) -> None:
    try:
        async for frame in _frames(socket, feed, after, place):
            await socket.send_text(frame.decode())
    except UnauthorizedError as error:
        await socket.close(CloseCode.EXPIRED, error.detail)
    except WebSocketDisconnect:
        return  # the client went away in the middle of it
    except Exception:
        logger.exception("a listener could not be told any more")
        await socket.close(
            CloseCode.FAULT, "a fault of ours; come back with the last place you saw"
        )


async def _frames(socket: WebSocket, feed: Feed, after: int, place: str) -> AsyncIterator[bytes]:
    updates = stream_feed(get_context(socket).broadcaster, feed, after, HEARTBEAT_SECONDS)
    told_at = time.monotonic()
    async for update in updates:
        await preload_credentials(socket)
        _caller(socket)
        for at, event in update.events:
            after = at
            if event:
                told_at = time.monotonic()
                yield event_frame(event)
        for told in _notices(update, after, place, time.monotonic() - told_at):
            told_at = time.monotonic()
            yield told


def _notices(update: FeedUpdate, after: int, place: str, silent: float) -> list[bytes]:
    """What else there is to tell; after a while of silence, where the listener stands."""
    if update.typing is not None:
        return [typing_frame(update.typing)]
    if update.is_caught_up:
        return [live_frame(place, after)]
    is_due = not update.events or silent >= HEARTBEAT_SECONDS
    return [heartbeat_frame(place, after)] if is_due else []
