"""What the routes share: the log's writer, the keys, a reader of the store, the counters."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import Depends, Query
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ingest.api.metrics import Metrics
from ingest.api.request_body import header
from ingest.auth.api_keys import Keyring
from ingest.auth.permissions import TAKE_PART, Caller
from ingest.auth.rate_limiter import Limits
from ingest.auth.tokens import Tokens
from ingest.delivery.dispatcher import Deliverer
from ingest.delivery.live.broadcaster import Hub
from ingest.errors import UnknownConversationError
from ingest.events.conversation_state import Conversation
from ingest.hooks.runner import Hooks
from ingest.log import queries
from ingest.log.queries import Channels
from ingest.log.writer import Writer

if TYPE_CHECKING:
    from ingest.delivery.live.typing import Typists


AT_ONCE = 4
"""So many listeners are let in at a time, and so many read the log; the other threads are for requests."""


@dataclass(frozen=True)
class ApiState:
    """Made at start-up, one for each application."""

    writer: Writer
    keyring: Keyring
    reader: Engine
    metrics: Metrics
    typists: "Typists"
    tokens: Tokens
    hub: Hub
    clock: Callable[[], int]
    limits: Limits
    deliverer: Deliverer
    hooks: Hooks
    channels: Channels
    origins: frozenset[str] = frozenset()
    stores_typing: bool = False
    chat_bot: str | None = None
    say: Callable[[dict[str, Any]], None] | None = None
    """Tells the other processes of this log what is stored nowhere; None if there are none."""
    letting_in: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    catching_up: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


def state_of(connection: HTTPConnection) -> ApiState:
    """The application's state; kept in the scope, for every part of a request asks."""
    api: ApiState | None = connection.scope.get("convolake.api")
    if api is None:
        api = connection.scope["convolake.api"] = cast("ApiState", connection.app.state.api)
    return api


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks: an API key, or a user with a token. Raises UnauthorizedError."""
    authorization = header(connection, b"authorization")
    api = state_of(connection)
    if authorization.startswith("Bearer ey"):
        return api.tokens.read(authorization[7:])
    return api.keyring.caller(authorization)


async def look_ahead(connection: HTTPConnection) -> None:
    """Have the caller's key at hand, so that nothing on the event loop waits for a far database.

    Raises UnauthorizedError.
    """
    api = state_of(connection)
    if api.say is None:  # SQLite is near: 50 µs
        return
    authorization = header(connection, b"authorization")
    if authorization.startswith("Bearer ck_") and not api.keyring.has(authorization):
        await run_in_threadpool(api.keyring.caller, authorization)


def permit(connection: HTTPConnection, *scopes: str) -> Caller:
    """Who asks, if they have one of `scopes` and may reach the conversation that the path names.

    Raises UnauthorizedError, MissingScopeError, UnknownConversationError.
    """
    caller = caller_of(connection)
    state_of(connection).limits.count(connection.scope, caller)
    caller.need(*scopes)
    caller.reach(connection.path_params.get("conversation_id"))
    return caller


def reads(connection: HTTPConnection) -> Caller:
    """Who asks for what keys may read."""
    return permit(connection, "read")


def knows_people(connection: HTTPConnection) -> Caller:
    """Who asks for what is known of a person; counted as a reader already."""
    caller = caller_of(connection)
    caller.need("pii:read")
    return caller


def follows(connection: HTTPConnection) -> Caller:
    """Who asks for what whoever takes part may read, too."""
    return permit(connection, "read", TAKE_PART)


def takes_part(connection: HTTPConnection) -> Caller:
    """Who asks to do what whoever takes part may do, too."""
    return permit(connection, "conversations:write", TAKE_PART)


def records(connection: HTTPConnection) -> Caller:
    """Who asks to record facts."""
    return permit(connection, "events:write")


def viewed(
    caller: Annotated[Caller, Depends(follows)],
    view: Annotated[
        Literal["all", "customer"],
        Query(description="`customer` withholds what is internal, and says that it does"),
    ] = "all",
) -> str:
    """As whom the caller reads: a customer's token sees what a customer may see."""
    return view if caller.user is None or caller.user.view == "all" else "customer"


Api = Annotated[ApiState, Depends(state_of)]
Reading = Annotated[Caller, Depends(reads)]
Recording = Annotated[Caller, Depends(records)]
Taking = Annotated[Caller, Depends(takes_part)]
KnowingPeople = Annotated[Caller, Depends(knows_people)]
Following = Annotated[Caller, Depends(follows)]
View = Annotated[str, Depends(viewed)]


def existing(api: ApiState, conversation_id: str, caller: Caller) -> Conversation:
    """The conversation, if the caller may know of it. Raises UnknownConversationError."""
    found = queries.get_conversation(api.reader, conversation_id)
    if found is None or (caller.channels and found.channel not in caller.channels):
        raise UnknownConversationError("there is no conversation with this id", "conversation_id")
    return found
