"""Webhooks: create, list, rotate, enable, delete."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ClauseElement
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ingest.api.dependencies import AppContext, Context, authorize
from ingest.api.openapi import problem_responses
from ingest.auth.permissions import Caller
from ingest.contract import Cursor, from_micros
from ingest.delivery import webhook_registry
from ingest.delivery.destinations.webhook import Webhook
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
from ingest.events.types import CUSTOM, EVENT_TYPES, rules_of
from ingest.log import queries
from ingest.log.cursor import MAX_BYTES, START, check_within, decode_cursor, encode_cursor
from ingest.log.writer_requests import Execute

ROTATION_SECONDS = 24 * 3600
"""Time for which the old secret signs in addition to the new one."""

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
    """Return the caller, who may manage webhooks and hooks."""
    return authorize(connection, "webhooks:admin")


RequireWebhooksAdmin = Annotated[Caller, Depends(require_webhooks_admin)]
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=problem_responses(ERRORS))
Id = Annotated[str, Field(pattern=ID_PATTERN)]
LogCursor = Annotated[str, Field(max_length=MAX_BYTES)]


class NewWebhook(BaseModel):
    """Where events go, and which: by type (`message.created`, `message.*`; none: all) and channel.

    With `bot_id` it belongs to a bot: it receives nothing while a human has control, and not the bot's
    own events. `after`: a cursor of the log to start from; without it the webhook starts now.
    """

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    url: Annotated[str, Field(max_length=2048)]
    event_types: list[Annotated[str, Field(max_length=80)]] = Field([], max_length=100)
    channels: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]] = Field(
        [], max_length=32
    )
    bot_id: Id | None = None
    after: LogCursor | None = Field(None, description='a cursor; "" is the start of the log')


class WebhookView(BaseModel):
    """A webhook. Its secret is shown once, when it is created or rotated."""

    webhook_id: str
    url: str
    event_types: list[str]
    channels: list[str]
    bot_id: str | None
    created_at: datetime
    cursor: str = Field(description="up to here every event was delivered or is in the queue")
    disabled_at: datetime | None
    disabled_reason: str | None
    secret: str | None = Field(None, description="whsec_…; save it now")


class WebhookList(BaseModel):
    """Every webhook of the caller's source; of all sources with the scope admin."""

    items: list[WebhookView]


def example(body: dict[str, Any]) -> dict[str, Any]:
    """Return `openapi_extra` with an example of the body."""
    return {"requestBody": {"content": {"application/json": {"example": body}}}}


_EXAMPLE = {"url": "https://bot.example/hook", "event_types": ["message.created", "handoff.*"]}


@router.post("", status_code=201, openapi_extra=example(_EXAMPLE))
async def create_webhook(
    request: Request, context: Context, caller: RequireWebhooksAdmin, body: NewWebhook
) -> WebhookView:
    """Create a webhook. The response shows its signing secret, this once."""
    validate_target(context, caller, body.url, body.channels)
    _validate_types(caller, body)
    cursor = await run_in_threadpool(_start_cursor, context, body)
    secret = signing.new_secret()
    webhook = Webhook(
        webhook_id=request.app.state.new_id(),
        source=caller.source,
        url=body.url,
        event_types=frozenset(body.event_types),
        channels=frozenset(body.channels) or caller.channels,
        bot_id=body.bot_id,
        secret=context.secrets.seal(secret),
        old_secret=None,
        old_secret_until=None,
        created_at=context.clock(),
        disabled_at=None,
        disabled_reason=None,
        cursor=cursor,
        watchdog_cursor=START,
    )
    await execute(context, webhook_registry.insert_webhook(webhook))
    return _view(webhook, secret=secret)


def _start_cursor(context: AppContext, body: NewWebhook) -> Cursor:
    head = queries.head(context.engine)
    if body.after is None:
        return head
    after = parse_cursor(body.after, "body.after")
    check_within(after, head, "body.after")
    return after


def parse_cursor(text: str, field: str) -> Cursor:
    """Return the cursor in a field of the request. Raises InvalidRequestError with the field."""
    try:
        return decode_cursor(text) if text else START
    except InvalidRequestError as error:
        raise InvalidRequestError(error.detail, field) from None


def validate_target(context: AppContext, caller: Caller, url: str, channels: list[str]) -> None:
    """Check that the caller may send events of these channels to this URL.

    Raises ForbiddenError, InvalidRequestError, MissingScopeError.
    """
    if caller.channels and not caller.channels.issuperset(channels):
        raise ForbiddenError("this key is not for these channels", "body.channels")
    try:
        context.dispatcher.egress.validate_url(url)
    except ForbiddenAddressError as error:
        raise InvalidRequestError(str(error), "body.url") from None
    caller.require_scope("read")  # a webhook receives what its key could read


def _validate_types(caller: Caller, body: NewWebhook) -> None:
    deliverable = [rules for rules in (*EVENT_TYPES.values(), CUSTOM) if rules.is_deliverable]
    families = {f"{rules.about}.*": rules for rules in deliverable}
    for name in body.event_types:
        rules = families.get(name) or rules_of(name)
        if not rules.is_deliverable or not (
            name in families or name in EVENT_TYPES or rules is CUSTOM
        ):
            raise InvalidRequestError("no deliverable event has this name", "body.event_types")
        if rules.stream == "contact":
            caller.require_scope("pii:read")


@router.get("")
def list_webhooks(context: Context, caller: RequireWebhooksAdmin) -> WebhookList:
    """List webhooks, oldest first."""
    webhooks = webhook_registry.list_webhooks(context.engine)
    return WebhookList(
        items=[_view(each) for each in webhooks if caller.owns(each.source, each.channels)]
    )


@router.get("/{webhook_id}")
def get_webhook(context: Context, caller: RequireWebhooksAdmin, webhook_id: str) -> WebhookView:
    """Return a webhook."""
    return _view(require_webhook(context, caller, webhook_id))


@router.delete("/{webhook_id}", status_code=204)
async def remove_webhook(
    context: Context, caller: RequireWebhooksAdmin, webhook_id: str
) -> Response:
    """Delete a webhook and its queue."""
    await run_in_threadpool(require_webhook, context, caller, webhook_id)
    await execute(context, *webhook_registry.delete_webhook(webhook_id))
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate")
async def rotate_secret(
    context: Context, caller: RequireWebhooksAdmin, webhook_id: str
) -> WebhookView:
    """Create a new secret. For a day deliveries carry a signature of the old one too."""
    webhook = await run_in_threadpool(require_webhook, context, caller, webhook_id)
    secret = signing.new_secret()
    until = context.clock() + ROTATION_SECONDS * 1_000_000
    await execute(
        context,
        webhook_registry.update_webhook(
            webhook_id,
            secret=context.secrets.seal(secret),
            old_secret=webhook.secret,
            old_secret_until=until,
        ),
    )
    return _view(webhook, secret=secret)


@router.post("/{webhook_id}/enable")
async def enable_webhook(
    context: Context, caller: RequireWebhooksAdmin, webhook_id: str
) -> WebhookView:
    """Enable a disabled webhook; it continues from its cursor. Safe to repeat."""
    await run_in_threadpool(require_webhook, context, caller, webhook_id)
    await execute(
        context,
        webhook_registry.update_webhook(webhook_id, disabled_at=None, disabled_reason=None),
    )
    return _view(await run_in_threadpool(require_webhook, context, caller, webhook_id))


def require_webhook(context: AppContext, caller: Caller, webhook_id: str) -> Webhook:
    """Return the webhook, if the caller may manage it. Raises UnknownWebhookError."""
    webhook = webhook_registry.get_webhook(context.engine, webhook_id)
    if webhook is None or not caller.owns(webhook.source, webhook.channels):
        raise UnknownWebhookError("there is no webhook with this id", "webhook_id")
    return webhook


async def execute(context: AppContext, *statements: ClauseElement) -> None:
    """Change the store, and let the dispatcher read the webhooks again."""
    await context.writer.execute(Execute(statements))
    context.dispatcher.refresh()


def _view(webhook: Webhook, secret: str | None = None) -> WebhookView:
    return WebhookView(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        event_types=sorted(webhook.event_types),
        channels=sorted(webhook.channels),
        bot_id=webhook.bot_id,
        created_at=from_micros(webhook.created_at),
        cursor=encode_cursor(webhook.cursor),
        disabled_at=optional_instant(webhook.disabled_at),
        disabled_reason=webhook.disabled_reason,
        secret=secret,
    )


def optional_instant(micros: int | None) -> datetime | None:
    """Return the instant, or None."""
    return None if micros is None else from_micros(micros)
