"""Deliveries of a webhook: the queue, dead letters, and replays."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ClauseElement, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.api.dependencies import AppContext, Context
from ingest.api.openapi import problem_responses
from ingest.api.routes.webhooks import (
    ERRORS,
    LogCursor,
    RequireWebhooksAdmin,
    example,
    execute,
    optional_instant,
    parse_cursor,
    require_webhook,
)
from ingest.contract import Cursor
from ingest.delivery import queue
from ingest.delivery.destinations.webhook import Webhook
from ingest.delivery.queue import DeliveryKey, QueuedDelivery
from ingest.log import queries
from ingest.log.cursor import MAX_BYTES, encode_cursor

MAX_REPLAYED_EVENTS = 1_000
"""Maximum events that one replay sends again."""

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=problem_responses(ERRORS))


class DeliveryView(BaseModel):
    """A delivery in the queue, or a dead letter."""

    shard: int
    position: int
    ordering_key: str = Field(description="deliveries with the same key go out in order")
    attempts: int
    next_attempt_at: datetime | None = Field(description="null: behind another one, or dead")
    dead_lettered_at: datetime | None
    last_result: str | None = Field(description="result of the last attempt")


class DeliveryList(BaseModel):
    """A page of deliveries; `cursor` is the `after` of the next page."""

    items: list[DeliveryView]
    cursor: str


class Replay(BaseModel):
    """What to send again: dead letters, or with `delivered` every event that the webhook wants.

    After one cursor and up to another. At most 1,000 events at once.
    """

    model_config = ConfigDict(extra="forbid")

    after: LogCursor = ""
    until: LogCursor | None = None
    delivered: bool = False


class Replayed(BaseModel):
    """The number of events that are sent again, and the cursor to continue from."""

    count: int
    until: str


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    context: Context,
    caller: RequireWebhooksAdmin,
    webhook_id: str,
    status: Literal["waiting", "dead"] = "waiting",
    after: Annotated[
        str, Query(max_length=MAX_BYTES, description="`cursor` of the page before")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> DeliveryList:
    """List waiting deliveries, or dead letters, by shard and position."""
    require_webhook(context, caller, webhook_id)
    cursor = parse_cursor(after, "after")
    rows = queue.list_queue(context.engine, webhook_id, limit, cursor, is_dead=status == "dead")
    return DeliveryList(
        items=[_delivery(row) for row in rows], cursor=encode_cursor(_advance(cursor, rows))
    )


@router.post("/{webhook_id}/replay", openapi_extra=example({"delivered": True}))
async def replay_deliveries(
    context: Context, caller: RequireWebhooksAdmin, webhook_id: str, body: Replay
) -> Replayed:
    """Send dead letters or delivered events again. Their ids stay the same."""
    webhook = await run_in_threadpool(require_webhook, context, caller, webhook_id)
    find = _find_delivered if body.delivered else _find_dead_letters
    rows, until = await run_in_threadpool(find, context, webhook, body)
    now = context.clock()
    destination = context.webhooks.destination(webhook)
    statements: list[ClauseElement] = []
    ordering_keys: dict[str, None] = {}
    for row in rows:
        key = DeliveryKey(webhook_id, row["shard"], row["position"])
        ordering_key = destination.ordering_key(row) if body.delivered else row["ordering_key"]
        ordering_keys[ordering_key] = None
        statements.append(queue.requeue(key, now))
        if body.delivered:
            statements.append(
                queue.enqueue(
                    QueuedDelivery(key, ordering_key, now), context.webhooks.exists(webhook_id)
                )
            )
    statements += [queue.unblock_next(webhook_id, key, now) for key in ordering_keys]
    await execute(context, *statements)
    return Replayed(count=len(rows), until=encode_cursor(until))


def _find_dead_letters(
    context: AppContext, webhook: Webhook, body: Replay
) -> tuple[list[RowMapping], Cursor]:
    after = parse_cursor(body.after, "body.after")
    rows = list(
        queue.list_queue(
            context.engine, webhook.webhook_id, MAX_REPLAYED_EVENTS, after, is_dead=True
        )
    )
    if body.until is not None:
        until = parse_cursor(body.until, "body.until")
        rows = [row for row in rows if row["position"] <= until.get(row["shard"], 0)]
    return rows, _advance(after, rows)


def _find_delivered(
    context: AppContext, webhook: Webhook, body: Replay
) -> tuple[list[RowMapping], Cursor]:
    """Find the events of the range that the webhook has passed; it receives the others anyway."""
    after, last = parse_cursor(body.after, "body.after"), webhook.cursor
    if body.until is not None:
        until = parse_cursor(body.until, "body.until")
        last = {shard: min(position, until.get(shard, 0)) for shard, position in last.items()}
    destination = context.webhooks.destination(webhook)
    rows: list[RowMapping] = []
    while len(rows) < MAX_REPLAYED_EVENTS:
        page = queries.list_positions(context.engine, after, last, MAX_REPLAYED_EVENTS - len(rows))
        if not page:
            break
        after = _advance(after, page)
        rows += context.dispatcher.filter_wanted(destination, page)
    return rows, after


def _advance(cursor: Cursor, rows: Any) -> Cursor:
    return {**cursor, **{row["shard"]: row["position"] for row in rows}}


def _delivery(row: RowMapping) -> DeliveryView:
    return DeliveryView(
        shard=row["shard"],
        position=row["position"],
        ordering_key=row["ordering_key"],
        attempts=row["attempts"],
        next_attempt_at=optional_instant(row["next_attempt_at"]),
        dead_lettered_at=optional_instant(row["dead_lettered_at"]),
        last_result=row["last_result"],
    )
