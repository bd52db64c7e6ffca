"""WebSockets: the events of one conversation or of all, as they are committed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from ingest.api.dependencies import (
    AppContext,
    authenticate,
    get_context,
    get_visible_conversation,
    preload_credentials,
)
from ingest.api.pagination import check_sequence
from ingest.api.problems import problem_response
from ingest.api.server import CLIENT_DISCONNECTED
from ingest.auth.permissions import PARTICIPATE, Caller
from ingest.contract import Cursor
from ingest.delivery.live.broadcaster import (
    PAGE_EVENTS,
    CommittedEvent,
    Feed,
    FeedUpdate,
    Place,
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
    PlaceBeyondEndError,
    RateLimitedError,
    UnauthorizedError,
)
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.event_view import render_event
from ingest.events.stored_event import StoredEvent
from ingest.log import queries
from ingest.log.cursor import MAX_BYTES, START, check_within, decode_cursor, encode_cursor
from ingest.log.queries import SequenceRange

logger = logging.getLogger(__name__)


P = ParamSpec("P")


T = TypeVar("T")


router = APIRouter(prefix="/v1")


AfterSequence = Annotated[int, Query(ge=0, lt=2**63, description="the last sequence you saw")]


After = Annotated[
    str, Query(max_length=MAX_BYTES, description="the cursor of the last frame you saw")
]


@router.websocket("/conversations/{conversation_id:id}/live")
async def stream_conversation(
    socket: WebSocket, conversation_id: str, after_sequence: AfterSequence = 0
) -> None:
    """Stream the events of a conversation, in order, without end. For keys with `read`, and users with a token."""
    api = get_context(socket)
    try:
        await preload_credentials(socket)
        caller = _authorize_socket(socket, "read", PARTICIPATE)
        check = partial(_check_place, api, conversation_id, caller, after_sequence)
        await _run_limited(socket, api.connection_slots, check)
    except IngestError as error:
        await socket.send_denial_response(problem_response(error))
        return
    except WebSocketDisconnect:
        return
    is_customers = caller.user is not None and caller.user.view == "customer"
    feed = _conversation_feed(socket, conversation_id, "customer" if is_customers else "all")
    with _presence(socket, caller, conversation_id):
        await _serve(socket, feed, after_sequence, "after_sequence")


@router.websocket("/live")
async def stream_all(socket: WebSocket, after: After = "") -> None:
    """Stream the events of all conversations that the caller may see, in the order of the log: for an agents' desk.

    For keys with `read`, and for agents with a token.
    """
    try:
        await preload_credentials(socket)
        caller = _authorize_socket(socket, "read")
        cursor = decode_cursor(after) if after else START
        context = get_context(socket)
        head = await _run_limited(socket, context.connection_slots, queries.head, context.engine)
        check_within(cursor, head, "after")
    except WebSocketDisconnect:
        return
    except IngestError as error:
        await socket.send_denial_response(problem_response(error))
        return
    with _presence(socket, caller, None):
        await _serve(socket, _log_feed(socket, caller), cursor, "after")


def _check_place(
    api: AppContext, conversation_id: str, caller: Caller, after_sequence: int
) -> None:
    """Raise an error if the caller may not access the conversation, or it has no such sequence."""
    state = get_visible_conversation(api, conversation_id, caller)
    check_sequence(after_sequence, state.last_sequence)


HANDSHAKE_ERRORS = (
    UnauthorizedError,
    MissingScopeError,
    ForbiddenError,
    UnknownConversationError,
    InvalidRequestError,
    PlaceBeyondEndError,
    RateLimitedError,
)
"""Errors that may answer the handshake by HTTP instead of opening a socket."""


def _authorize_socket(socket: WebSocket, *scopes: str) -> Caller:
    """Return the caller who subscribes. Raises an error if the caller may not."""
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
    """Return the caller again: its key may have been revoked, or its token may have expired."""
    caller = authenticate(socket)
    caller.require_scope(*scopes)
    if conversation_id := socket.path_params.get("conversation_id"):
        caller.require_access(conversation_id)
    return caller


def _check_origin(socket: WebSocket) -> None:
    """Reject a page of another origin: a browser lets any page open a socket, and sends the page's origin."""
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
    """Read the store in a limited number of threads, so that mass reconnects do not block other requests.

    Raises WebSocketDisconnect if the client disconnected while it waited: reads for clients that left
    would delay all others.
    """
    async with turns:
        if socket.scope.get(CLIENT_DISCONNECTED, bool)():
            raise WebSocketDisconnect(1006)
        return await run_in_threadpool(read, *args, **kwargs)


def _conversation_feed(socket: WebSocket, conversation_id: str, view: str) -> Feed[int]:
    context = get_context(socket)

    def read(after: int) -> list[tuple[int, bytes]]:
        events = queries.list_event_views(
            context.engine, conversation_id, PAGE_EVENTS, SequenceRange(after), view
        )
        with_control = partial(context.control.add_to, conversation_id=conversation_id)
        return [(event["sequence"], encode_json(with_control(event))) for event in events]

    def advance(after: int, event: StoredEvent) -> int | None:
        sequence = event.sequence or 0
        return sequence if sequence > after else None

    return Feed(
        conversation_id,
        lambda after: _run_limited(socket, context.catch_up_slots, read, after),
        advance,
        (lambda event: event.for_all) if view == "all" else (lambda event: event.for_customer),
    )


def _log_feed(socket: WebSocket, caller: Caller) -> Feed[Cursor]:
    context = get_context(socket)

    def is_visible(conversation_id: str | None) -> bool:
        if conversation_id is None:
            return False
        channel = context.conversation_channels.get
        if caller.channels and channel(conversation_id) not in caller.channels:
            return False
        user = caller.user
        return user is None or not user.conversation_ids or conversation_id in user.conversation_ids

    def read(after: Cursor) -> list[tuple[Cursor, bytes]]:
        page: list[tuple[Cursor, bytes]] = []
        for row in queries.read_log(context.engine, after, PAGE_EVENTS):
            after = {**after, row["shard"]: row["position"]}
            visible = is_visible(row["conversation_id"])
            event = b""
            if visible:
                shown = render_event(row, "all")
                event = encode_json(context.control.add_to(shown, row["conversation_id"]))
            page.append((after, event))
        return page

    def advance(after: Cursor, event: StoredEvent) -> Cursor | None:
        is_new = event.position > after.get(event.shard, 0)
        return {**after, event.shard: event.position} if is_new else None

    def render(committed: CommittedEvent) -> bytes:
        return committed.for_all if is_visible(committed.event.conversation_id) else b""

    return Feed(
        None,
        lambda after: _run_limited(socket, context.catch_up_slots, read, after),
        advance,
        render,
    )


async def _serve(socket: WebSocket, feed: Feed[Place], after: Place, name: str) -> None:
    """Send frames until the client disconnects. Close a socket on which the client sends."""
    offered = socket.scope["subprotocols"]
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    telling = asyncio.create_task(_send_frames(socket, feed, after, name))
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            await socket.close(CloseCode.SEND_ONLY, "this socket only sends; write by HTTP")
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _presence(
    socket: WebSocket, caller: Caller, conversation_id: str | None
) -> AbstractContextManager[None]:
    """Return a block in which the user of the socket is connected, if that is recorded."""
    presence, user = get_context(socket).presence, caller.user
    if presence is None or user is None or user.view == "customer":
        return nullcontext()
    return presence.connected(user.participant_id, conversation_id)


async def _send_frames(socket: WebSocket, feed: Feed[Place], after: Place, name: str) -> None:
    try:
        async for frame in _frames(socket, feed, after, name):
            await socket.send_text(frame.decode())
    except UnauthorizedError as error:
        await socket.close(CloseCode.CREDENTIALS_EXPIRED, error.detail)
    except WebSocketDisconnect:
        return  # the client went away in the middle of it
    except Exception:
        logger.exception("sending to a subscriber failed")
        await socket.close(
            CloseCode.INTERNAL_ERROR, "an internal error; reconnect after the last place you saw"
        )


async def _frames(
    socket: WebSocket, feed: Feed[Place], after: Place, name: str
) -> AsyncIterator[bytes]:
    updates = stream_feed(get_context(socket).broadcaster, feed, after, HEARTBEAT_SECONDS)
    told_at = time.monotonic()
    async for update in updates:
        await preload_credentials(socket)
        _caller(socket)
        for at, event in update.events:
            after = at
            if event:
                told_at = time.monotonic()
                yield event_frame(event, _event_cursor(after))
        for told in _notices(update, after, name, time.monotonic() - told_at):
            told_at = time.monotonic()
            yield told


def _notices(update: FeedUpdate[Place], after: Place, name: str, silent: float) -> list[bytes]:
    """Return the frames that carry no event: typing, caught up, and heartbeats after silence."""
    if update.typing is not None:
        return [typing_frame(update.typing)]
    if update.is_caught_up:
        return [live_frame(name, _encode_place(after))]
    is_due = not update.events or silent >= HEARTBEAT_SECONDS
    return [heartbeat_frame(name, _encode_place(after))] if is_due else []


def _event_cursor(place: object) -> str | None:
    """Return the cursor of an event frame; a sequence is in the event itself."""
    return None if isinstance(place, int) else encode_cursor(cast("Cursor", place))


def _encode_place(place: object) -> int | str:
    """Encode a sequence as a number, and a cursor as an opaque string."""
    return place if isinstance(place, int) else encode_cursor(cast("Cursor", place))
