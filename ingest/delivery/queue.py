"""The delivery queue in the store: read by the dispatcher, changed by the writer."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ClauseElement,
    Engine,
    RowMapping,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from ingest.log.storage.tables import events, webhook_queue, webhooks


def list_queue(
    engine: Engine, webhook_id: str, limit: int, after: int = 0, *, is_dead: bool = False
) -> Sequence[RowMapping]:
    """At most `limit` deliveries that wait, or that were given up, in the order of the log."""
    dead_lettered_at = webhook_queue.c.dead_lettered_at
    query = (
        select(webhook_queue)
        .where(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.position > after)
        .where(dead_lettered_at.is_not(None) if is_dead else dead_lettered_at.is_(None))
        .order_by(webhook_queue.c.position)
    )
    with engine.connect() as connection:
        return connection.execute(query.limit(limit)).mappings().all()


def list_due(engine: Engine, webhook_id: str, now: int | None, limit: int) -> Sequence[RowMapping]:
    """At most `limit` deliveries that are to be tried again by `now`, with their events.

    None: those that are first in their conversation, the soonest first.
    """
    by_now = (
        webhook_queue.c.next_attempt_at.is_not(None)
        if now is None
        else webhook_queue.c.next_attempt_at <= now
    )
    query = (
        select(events, webhook_queue.c.attempts, webhook_queue.c.first_attempt_at)
        .join(webhook_queue, webhook_queue.c.position == events.c.position)
        .where(webhook_queue.c.webhook_id == webhook_id, by_now)
        .order_by(webhook_queue.c.position if now is not None else webhook_queue.c.next_attempt_at)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def list_overdue_for_bot(
    engine: Engine, webhook_id: str, before: int, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` events that a customer waits with since `before`, or that were given up."""
    asked, dead_lettered_at = webhook_queue.c.bot_wait_since, webhook_queue.c.dead_lettered_at
    query = (
        select(events)
        .join(webhook_queue, webhook_queue.c.position == events.c.position)
        .where(webhook_queue.c.webhook_id == webhook_id, asked.is_not(None))
        .where(or_(asked <= before, dead_lettered_at.is_not(None)))
        .order_by(events.c.position)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def list_blocked_keys(engine: Engine, webhook_id: str, orders: Iterable[str]) -> set[str]:
    """Those of these conversations in which something waits."""
    query = select(webhook_queue.c.ordering_key).where(
        webhook_queue.c.webhook_id == webhook_id,
        webhook_queue.c.ordering_key.in_(sorted(set(orders))),
        webhook_queue.c.dead_lettered_at.is_(None),
    )
    with engine.connect() as connection:
        return set(connection.execute(query.distinct()).scalars())


def _at(webhook_id: str, position: int) -> Any:
    return and_(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.position == position)


class QueuedDelivery(NamedTuple):
    """A delivery that failed, or waits behind one that did (then `next_attempt_at` is None).

    `bot_wait_since`: since then a customer waits with it for a bot.
    """

    webhook_id: str
    position: int
    ordering_key: str
    first_attempt_at: int
    attempts: int = 0
    next_attempt_at: int | None = None
    last_result: str | None = None
    bot_wait_since: int | None = None


def enqueue(each: QueuedDelivery) -> ClauseElement:
    """It waits; nothing is done if it does already, or if its webhook was removed meanwhile."""
    there = select(webhook_queue.c.position).where(_at(each.webhook_id, each.position))
    hook = select(webhooks.c.webhook_id).where(webhooks.c.webhook_id == each.webhook_id)
    values = select(
        *(literal(value, webhook_queue.c[name].type) for name, value in each._asdict().items())
    ).where(~there.exists(), hook.exists())
    return insert(webhook_queue).from_select(list(QueuedDelivery._fields), values)


def reschedule(
    webhook_id: str, position: int, attempts: int, next_attempt_at: int, last: str
) -> ClauseElement:
    """It failed again."""
    return (
        update(webhook_queue)
        .where(_at(webhook_id, position))
        .values(attempts=attempts, next_attempt_at=next_attempt_at, last_result=last)
    )


def dead_letter(
    webhook_id: str, position: int, attempts: int, now: int, last: str
) -> ClauseElement:
    """It is given up, and kept."""
    return (
        update(webhook_queue)
        .where(_at(webhook_id, position))
        .values(attempts=attempts, next_attempt_at=None, dead_lettered_at=now, last_result=last)
    )


def clear_bot_wait(webhook_id: str, position: int) -> ClauseElement:
    """That its bot was not reached is known; it is not told again."""
    return update(webhook_queue).where(_at(webhook_id, position)).values(bot_wait_since=None)


def complete(webhook_id: str, position: int) -> ClauseElement:
    """It arrived."""
    return delete(webhook_queue).where(_at(webhook_id, position))


def unblock_next(webhook_id: str, of: str, now: int) -> ClauseElement:
    """What waited behind it is the first now, if anything did."""
    behind = webhook_queue.alias()
    first = select(func.min(behind.c.position)).where(
        behind.c.webhook_id == webhook_id,
        behind.c.ordering_key == of,
        behind.c.dead_lettered_at.is_(None),
    )
    return (
        update(webhook_queue)
        .where(
            webhook_queue.c.webhook_id == webhook_id,
            webhook_queue.c.position == first.scalar_subquery(),
            webhook_queue.c.next_attempt_at.is_(None),
        )
        .values(next_attempt_at=now)
    )


def retry_all_now(webhook_id: str, now: int) -> ClauseElement:
    """The endpoint is back: whatever waits for its next try is retried now."""
    return (
        update(webhook_queue)
        .where(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def requeue(
    webhook_id: str, position: int, since: int, next_attempt_at: int | None
) -> ClauseElement:
    """What was given up is retried."""
    values = {
        "attempts": 0,
        "first_attempt_at": since,
        "next_attempt_at": next_attempt_at,
        "dead_lettered_at": None,
    }
    is_dead = webhook_queue.c.dead_lettered_at.is_not(None)
    return update(webhook_queue).where(_at(webhook_id, position), is_dead).values(values)
