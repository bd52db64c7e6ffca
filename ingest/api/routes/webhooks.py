"""Webhooks: who is told of events, what waits for them, what was given up and is sent anew."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ClauseElement, RowMapping
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ingest.api.dependencies import AppContext, Context, authorize
from ingest.api.openapi import problem_responses
from ingest.auth.permissions import Caller
from ingest.contract import from_micros
from ingest.delivery import queue, webhook_registry
from ingest.delivery.destinations.webhook import DELIVERED_STREAMS, Webhook, ordering_key
from ingest.delivery.queue import QueuedDelivery
from ingest.egress import signing
from ingest.egress.client import ForbiddenAddressError
from ingest.errors import (
    ForbiddenError,
    InvalidRequestError,
    LogUnavailableError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
    UnknownWebhookError,
)
from ingest.events.payloads import ID_PATTERN
from ingest.events.types import EVENT_TYPES
from ingest.log import queries
from ingest.log.writer_requests import Execute

ROTATION_SECONDS = 24 * 3600
"""So long the old secret signs beside the new one."""

MAX_REPLAYED_EVENTS = 1_000
"""So many events are sent anew at once; ask again for more."""

ERRORS = (
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    ForbiddenError,
    InvalidRequestError,
    UnknownWebhookError,
    LogUnavailableError,
)


def require_webhooks_admin(connection: HTTPConnection) -> Caller:
    """Who asks for webhooks."""
    return authorize(connection, "webhooks:admin")


RequireWebhooksAdmin = Annotated[Caller, Depends(require_webhooks_admin)]
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=problem_responses(ERRORS))
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Position = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class NewWebhook(BaseModel):
    """Where events go, and which: by type (`message.created`, `message.*`; none: all) and channel.

    With `bot_id` it is a bot's: it is told nothing while a human has control, nor of what it did
    itself. `after_position`: it begins there in the log, not now.
    """

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    url: Annotated[str, Field(max_length=2048)]
    event_types: list[Annotated[str, Field(max_length=80)]] = Field([], max_length=100)
    channels: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]] = Field(
        [], max_length=32
    )
    bot_id: Id | None = None
    after_position: Position | None = None


class WebhookView(BaseModel):
    """A webhook. Its secret is shown once, when it is made or changed."""

    webhook_id: str
    url: str
    event_types: list[str]
    channels: list[str]
    bot_id: str | None
    created_at: datetime
    position: int = Field(description="up to here everything was delivered, or waits")
    disabled_at: datetime | None
    disabled_reason: str | None
    secret: str | None = Field(None, description="whsec_…; keep it now")


class WebhookList(BaseModel):
    """Every webhook of your source; of all, with the scope admin."""

    items: list[WebhookView]


class DeliveryView(BaseModel):
    """A delivery that waits, or was given up."""

    position: int
    ordering_key: str = Field(description="deliveries with the same key go out in order")
    attempts: int
    next_attempt_at: datetime | None = Field(
        description="null: it waits behind another one, or is dead"
    )
    dead_lettered_at: datetime | None
    last_result: str | None = Field(description="result of the last attempt")


class DeliveryList(BaseModel):
    """A page of deliveries; go on after the last position."""

    items: list[DeliveryView]


class Replay(BaseModel):
    """What to send anew: what was given up, or with `delivered` whatever it is told of.

    After one position and up to another; both at most. At most 1,000 events at once.
    """

    model_config = ConfigDict(extra="forbid")

    after_position: Position = 0
    until_position: Position = 2**63 - 1
    delivered: bool = False


class Replayed(BaseModel):
    """How many are sent anew, and how far it received: ask for the rest after that."""

    count: int
    until_position: int


def example(body: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body may be this."""
    return {"requestBody": {"content": {"application/json": {"example": body}}}}


_EXAMPLE = {"url": "https://bot.example/hook", "event_types": ["message.created", "handoff.*"]}


@router.post(
    "",
    status_code=201,
    openapi_extra=example(_EXAMPLE),
)
async def create_webhook(
    request: Request, api: Context, caller: RequireWebhooksAdmin, body: NewWebhook
) -> WebhookView:
    """Be told of events. The answer has the secret that they are signed with, this once."""
    validate_target(api, caller, body.url, body.channels)
    _check_types(caller, body)
    position = await run_in_threadpool(queries.last_position, api.engine)
    hook = Webhook(
        webhook_id=request.app.state.new_id(),
        source=caller.source,
        url=body.url,
        event_types=frozenset(body.event_types),
        channels=frozenset(body.channels) or caller.channels,
        bot_id=body.bot_id,
        secret=signing.new_secret(),
        old_secret=None,
        old_secret_until=None,
        created_at=api.clock(),
        position=position if body.after_position is None else min(position, body.after_position),
        disabled_at=None,
        disabled_reason=None,
    )
    await _change(api, webhook_registry.insert_webhook(hook))
    return _view(hook, secret=hook.secret)


def validate_target(api: AppContext, caller: Caller, url: str, channels: list[str]) -> None:
    """Raise what is against sending there what is said on these channels."""
    if caller.channels and not caller.channels.issuperset(channels):
        raise ForbiddenError("this key is not for these channels", "body.channels")
    try:
        api.dispatcher.egress.validate_url(url)
    except ForbiddenAddressError as error:
        raise InvalidRequestError(str(error), "body.url") from None
    caller.require_scope("read")  # what is sent is what could be read


def _check_types(caller: Caller, body: NewWebhook) -> None:
    if any(name.startswith("contact.") for name in body.event_types):
        caller.require_scope("pii:read")
    types = {name for name, kind in EVENT_TYPES.items() if kind.stream in DELIVERED_STREAMS}
    kinds = {each.partition(".")[0] + ".*" for each in types} | {"custom.*"}
    for name in body.event_types:
        if name not in types and name not in kinds and not name.startswith("custom."):
            raise InvalidRequestError("no event that can be sent has this name", "body.event_types")


@router.get("")
def list_webhooks(api: Context, caller: RequireWebhooksAdmin) -> WebhookList:
    """Who is told of events."""
    hooks = webhook_registry.list_webhooks(api.engine)
    return WebhookList(
        items=[_view(each) for each in hooks if caller.owns(each.source, each.channels)]
    )


@router.get("/{webhook_id}")
def get_webhook(api: Context, caller: RequireWebhooksAdmin, webhook_id: str) -> WebhookView:
    """A webhook as it stands."""
    return _view(_existing(api, caller, webhook_id))


@router.delete("/{webhook_id}", status_code=204)
async def remove_webhook(api: Context, caller: RequireWebhooksAdmin, webhook_id: str) -> Response:
    """Tell it nothing any more, and forget what waits for it."""
    await run_in_threadpool(_existing, api, caller, webhook_id)
    await _change(api, *webhook_registry.delete_webhook(webhook_id))
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate")
async def rotate_secret(api: Context, caller: RequireWebhooksAdmin, webhook_id: str) -> WebhookView:
    """A new secret. For a day deliveries are signed with the old one, too."""
    hook = await run_in_threadpool(_existing, api, caller, webhook_id)
    secret = signing.new_secret()
    until = api.clock() + ROTATION_SECONDS * 1_000_000
    await _change(
        api,
        webhook_registry.update_webhook(
            webhook_id, secret=secret, old_secret=hook.secret, old_secret_until=until
        ),
    )
    return _view(hook, secret=secret)


@router.post("/{webhook_id}/enable")
async def enable_webhook(
    api: Context, caller: RequireWebhooksAdmin, webhook_id: str
) -> WebhookView:
    """Go on telling one that was disabled, from where it stood. Safe to repeat."""
    await run_in_threadpool(_existing, api, caller, webhook_id)
    await _change(
        api, webhook_registry.update_webhook(webhook_id, disabled_at=None, disabled_reason=None)
    )
    return _view(await run_in_threadpool(_existing, api, caller, webhook_id))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    api: Context,
    caller: RequireWebhooksAdmin,
    webhook_id: str,
    status: Literal["waiting", "dead"] = "waiting",
    after_position: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> DeliveryList:
    """What waits to be delivered, or was given up, in the order of the log."""
    _existing(api, caller, webhook_id)
    found = queue.list_queue(
        api.engine, webhook_id, limit, after_position, is_dead=status == "dead"
    )
    return DeliveryList(items=[_delivery(row) for row in found])


@router.post("/{webhook_id}/replay", openapi_extra=example({"after_position": 4711}))
async def replay_deliveries(
    api: Context, caller: RequireWebhooksAdmin, webhook_id: str, body: Replay
) -> Replayed:
    """Send anew what was given up, or what was delivered. Ids stay the same."""
    hook = await run_in_threadpool(_existing, api, caller, webhook_id)
    find = _wanted if body.delivered else _dead
    rows, until = await run_in_threadpool(find, api, hook, body)
    now = api.clock()
    changes: list[ClauseElement] = []
    orders: dict[str, None] = {}
    for row in rows:
        of = ordering_key(row) if body.delivered else row["ordering_key"]
        orders[of] = None
        changes.append(queue.requeue(webhook_id, row["position"], now, None))
        if body.delivered:
            changes.append(queue.enqueue(QueuedDelivery(webhook_id, row["position"], of, now)))
    changes += [queue.unblock_next(webhook_id, of, now) for of in orders]
    await _change(api, *changes)
    return Replayed(count=len(rows), until_position=until)


def _dead(api: AppContext, hook: Webhook, body: Replay) -> tuple[list[RowMapping], int]:
    found = queue.list_queue(
        api.engine, hook.webhook_id, MAX_REPLAYED_EVENTS, body.after_position, is_dead=True
    )
    rows = [row for row in found if row["position"] <= body.until_position]
    return rows, rows[-1]["position"] if rows else body.after_position


def _wanted(api: AppContext, hook: Webhook, body: Replay) -> tuple[list[RowMapping], int]:
    """Events of the range that it has been told of; the rest it will be told of anyway."""
    last = min(body.until_position, hook.position)
    after, rows = body.after_position, list[RowMapping]()
    while after < last and len(rows) < MAX_REPLAYED_EVENTS:
        page = queries.list_positions(api.engine, after, last, MAX_REPLAYED_EVENTS - len(rows))
        if not page:
            break
        after = page[-1]["position"]
        rows += api.dispatcher.filter_wanted(hook, page)
    return rows, after


def _existing(api: AppContext, caller: Caller, webhook_id: str) -> Webhook:
    found = webhook_registry.get_webhook(api.engine, webhook_id)
    if found is None or not caller.owns(found.source, found.channels):
        raise UnknownWebhookError("there is no webhook with this id", "webhook_id")
    return found


async def _change(api: AppContext, *changes: ClauseElement) -> None:
    """Have the store changed, and the deliverer look."""
    await api.writer.execute(Execute(changes))
    api.dispatcher.refresh()


def _view(hook: Webhook, secret: str | None = None) -> WebhookView:
    return WebhookView(
        webhook_id=hook.webhook_id,
        url=hook.url,
        event_types=sorted(hook.event_types),
        channels=sorted(hook.channels),
        bot_id=hook.bot_id,
        created_at=from_micros(hook.created_at),
        position=hook.position,
        disabled_at=_instant(hook.disabled_at),
        disabled_reason=hook.disabled_reason,
        secret=secret,
    )


def _delivery(row: RowMapping) -> DeliveryView:
    return DeliveryView(
        position=row["position"],
        ordering_key=row["ordering_key"],
        attempts=row["attempts"],
        next_attempt_at=_instant(row["next_attempt_at"]),
        dead_lettered_at=_instant(row["dead_lettered_at"]),
        last_result=row["last_result"],
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
