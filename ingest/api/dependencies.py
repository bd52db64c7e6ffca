"""The dependencies of the routes: the log's writer, the credentials, the store, the counters."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, cast

from fastapi import Depends, Query
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

import ingest.api.id_paths  # noqa: F401  # registers `{name:id}`, which the routes use
from ingest.accounts.account_cache import AccountCache
from ingest.accounts.secret_box import SecretBox
from ingest.api.channel_intake import ChannelIntake
from ingest.api.metrics import Metrics
from ingest.api.otlp_intake import OtlpIntake
from ingest.api.request_body import header
from ingest.auth.api_keys import ApiKeyAuthenticator
from ingest.auth.permissions import PARTICIPATE, Caller
from ingest.auth.rate_limiter import RateLimiter
from ingest.auth.tokens import UserTokens
from ingest.cluster.peers import Peers
from ingest.delivery.bot_watchdog import BotWatchdog
from ingest.delivery.control_cache import ControlCache
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.live.presence import PresenceTracker
from ingest.delivery.webhook_registry import WebhookRegistry
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.conversation_state import Conversation
from ingest.hooks.runner import HookRunner
from ingest.log.queries import ConversationChannels
from ingest.log.state_cache import StateCache
from ingest.log.unread_messages import UnreadCounter
from ingest.log.writer import Writer

if TYPE_CHECKING:
    from ingest.delivery.live.typing import TypingRegistry


PARALLEL_CATCH_UPS = 4
"""Maximum number of subscribers that are admitted, and that read the log, at the same time. The other threads serve requests."""


@dataclass(frozen=True)
class AppContext:
    """The state of one application, created by its lifespan."""

    writer: Writer
    api_keys: ApiKeyAuthenticator
    engine: Engine
    metrics: Metrics
    typing: "TypingRegistry"
    tokens: UserTokens
    broadcaster: Broadcaster
    presence: PresenceTracker | None
    """None unless the setting `agent_disconnected_after` is set."""
    control: ControlCache
    clock: Callable[[], int]
    rate_limiter: RateLimiter
    webhooks: WebhookRegistry
    dispatcher: Dispatcher
    bot_watchdog: BotWatchdog
    hooks: HookRunner
    conversation_channels: ConversationChannels
    unread: UnreadCounter
    states: StateCache
    secrets: SecretBox
    accounts: AccountCache
    channels: ChannelIntake
    otlp: OtlpIntake
    public_url: str | None = None
    """Where providers find the API; None: what their request says."""
    allowed_origins: frozenset[str] = frozenset()
    store_typing: bool = False
    chat_bot: str | None = None
    peers: Peers | None = None
    """The other API processes of this log; None if there can be none."""
    connection_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(PARALLEL_CATCH_UPS)
    )
    catch_up_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(PARALLEL_CATCH_UPS)
    )


def get_context(connection: HTTPConnection) -> AppContext:
    """Return the application's context; kept in the scope, because every part of a request needs it."""
    api: AppContext | None = connection.scope.get("convolake.api")
    if api is None:
        api = connection.scope["convolake.api"] = cast("AppContext", connection.app.state.context)
    return api


def authenticate(connection: HTTPConnection) -> Caller:
    """Return the caller: an API key, or a user with a token. Raises UnauthorizedError."""
    authorization = header(connection, b"authorization")
    api = get_context(connection)
    if authorization.startswith("Bearer ey"):
        return api.tokens.verify(authorization[7:])
    return api.api_keys.authenticate(authorization)


async def preload_credentials(connection: HTTPConnection) -> None:
    """Preload the caller's key, so that the event loop never waits for the database.

    Raises UnauthorizedError.
    """
    api = get_context(connection)
    if api.peers is None:  # SQLite is near: 50 µs
        return
    authorization = header(connection, b"authorization")
    if authorization.startswith("Bearer ck_") and not api.api_keys.is_cached(authorization):
        await run_in_threadpool(api.api_keys.authenticate, authorization)


def authorize(connection: HTTPConnection, *scopes: str) -> Caller:
    """Return the caller, if it has one of `scopes` and may access the conversation of the path.

    Raises UnauthorizedError, MissingScopeError, UnknownConversationError.
    """
    caller = authenticate(connection)
    get_context(connection).rate_limiter.check(connection.scope, caller)
    caller.require_scope(*scopes)
    caller.require_access(connection.path_params.get("conversation_id"))
    return caller


def require_read(connection: HTTPConnection) -> Caller:
    """Return the caller, who may read with an API key."""
    return authorize(connection, "read")


def require_pii(connection: HTTPConnection) -> Caller:
    """Return the caller, who may read personal data; `require_read` has counted the request."""
    caller = authenticate(connection)
    caller.require_scope("pii:read")
    return caller


def require_participation_read(connection: HTTPConnection) -> Caller:
    """Return the caller, who may read, or is a participant of the conversation."""
    return authorize(connection, "read", PARTICIPATE)


def require_participation(connection: HTTPConnection) -> Caller:
    """Return the caller, who may write, or is a participant of the conversation."""
    return authorize(connection, "conversations:write", PARTICIPATE)


def require_events_write(connection: HTTPConnection) -> Caller:
    """Return the caller, who may record facts."""
    return authorize(connection, "events:write")


def resolve_view(
    caller: Annotated[Caller, Depends(require_participation_read)],
    view: Annotated[
        Literal["all", "customer"],
        Query(description="`customer` replaces internal events by `withheld`"),
    ] = "all",
) -> str:
    """Return the view of the caller: a customer's token gets the customer view."""
    return view if caller.user is None or caller.user.view == "all" else "customer"


Context = Annotated[AppContext, Depends(get_context)]
RequireRead = Annotated[Caller, Depends(require_read)]
RequireEventsWrite = Annotated[Caller, Depends(require_events_write)]
RequireParticipation = Annotated[Caller, Depends(require_participation)]
RequirePii = Annotated[Caller, Depends(require_pii)]
RequireParticipationRead = Annotated[Caller, Depends(require_participation_read)]
View = Annotated[str, Depends(resolve_view)]


def get_visible_conversation(api: AppContext, conversation_id: str, caller: Caller) -> Conversation:
    """Return the conversation, if the caller may access it. Raises UnknownConversationError."""
    found = api.states.get(conversation_id)
    if found is None or (caller.channels and found.channel not in caller.channels):
        raise UnknownConversationError("there is no conversation with this id", "conversation_id")
    return found
