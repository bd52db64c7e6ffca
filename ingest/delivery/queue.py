"""The delivery queue: read by the dispatcher, changed by statements that the writer runs.

It holds deliveries that failed, those that wait behind them, and dead letters. Column `webhook_id` is the
destination's id.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Engine,
    RowMapping,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)

from ingest.contract import Cursor
from ingest.log.storage.tables import events, webhook_queue

_Q = webhook_queue.c


class DeliveryKey(NamedTuple):
    """One event for one destination."""

    destination_id: str
    shard: int
    position: int

    @property
    def where(self) -> ColumnElement[bool]:
        """The condition that selects it in the queue."""
        return and_(
            _Q.webhook_id == self.destination_id,
            _Q.shard == self.shard,
            _Q.position == self.position,
        )


class QueuedDelivery(NamedTuple):
    """A delivery to put into the queue. Without `next_attempt_at` it waits behind another one.

    `waiting_since`: since when the event has waited; null once the bot watchdog has checked it.
    """

    key: DeliveryKey
    ordering_key: str
    first_attempt_at: int
    attempts: int = 0
    next_attempt_at: int | None = None
    dead_lettered_at: int | None = None
    last_result: str | None = None
    waiting_since: int | None = None


def _joined() -> ColumnElement[bool]:
    return and_(_Q.shard == events.c.shard, _Q.position == events.c.position)


def list_queue(
    engine: Engine, destination_id: str, limit: int, after: Cursor, *, is_dead: bool = False
) -> Sequence[RowMapping]:
    """Return at most `limit` waiting deliveries, or dead letters, after a cursor, by shard and position."""
    dead_lettered_at = _Q.dead_lettered_at
    query = (
        select(webhook_queue)
        .where(_Q.webhook_id == destination_id, _after(after))
        .where(dead_lettered_at.is_not(None) if is_dead else dead_lettered_at.is_(None))
        .order_by(_Q.shard, _Q.position)
    )
    with engine.connect() as connection:
        return connection.execute(query.limit(limit)).mappings().all()


def _after(cursor: Cursor) -> ColumnElement[bool]:
    """Select deliveries after a cursor; every delivery of a shard that the cursor does not name."""
    if not cursor:
        return literal(value=True)
    unnamed = _Q.shard.not_in(list(cursor))
    named = (and_(_Q.shard == shard, _Q.position > position) for shard, position in cursor.items())
    return or_(unnamed, *named)


def list_due(
    engine: Engine, destination_id: str, now: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return at most `limit` deliveries due for a retry by `now`, joined with their events.

    With `now=None`, every delivery that is first of its key, the earliest retry first.
    """
    if now is not None and not _has_due(engine, destination_id, now):
        return []
    is_due = _Q.next_attempt_at.is_not(None) if now is None else _Q.next_attempt_at <= now
    order = (_Q.next_attempt_at,) if now is None else (_Q.shard, _Q.position)
    query = (
        select(events, _Q.attempts, _Q.first_attempt_at)
        .join(webhook_queue, _joined())
        .where(_Q.webhook_id == destination_id, is_due)
        .order_by(*order)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


_ANY_DUE = (
    select(_Q.position)
    .where(_Q.webhook_id == bindparam("id"), _Q.next_attempt_at <= bindparam("now"))
    .limit(1)
)


def _has_due(engine: Engine, destination_id: str, now: int) -> bool:
    """Return whether any delivery is due: mostly none, and every round asks."""
    with engine.connect() as connection:
        found = connection.execute(_ANY_DUE, {"id": destination_id, "now": now})
        return found.first() is not None


def list_overdue(
    engine: Engine, destination_id: str, before: int, limit: int
) -> Sequence[RowMapping]:
    """Return at most `limit` unchecked events that have waited since `before`, or are dead letters."""
    query = (
        select(events)
        .join(webhook_queue, _joined())
        .where(_Q.webhook_id == destination_id, _Q.waiting_since.is_not(None))
        .where(or_(_Q.waiting_since <= before, _Q.dead_lettered_at.is_not(None)))
        .order_by(events.c.shard, events.c.position)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def list_blocked_keys(engine: Engine, destination_id: str, keys: Iterable[str]) -> set[str]:
    """Return the ordering keys among `keys` that have a waiting delivery."""
    query = select(_Q.ordering_key).where(
        _Q.webhook_id == destination_id,
        _Q.ordering_key.in_(sorted(set(keys))),
        _Q.dead_lettered_at.is_(None),
    )
    with engine.connect() as connection:
        return set(connection.execute(query.distinct()).scalars())


def enqueue(delivery: QueuedDelivery, exists: ColumnElement[bool]) -> ClauseElement:
    """Add a delivery; does nothing if it is in the queue.

    `exists`: the condition that the destination was not deleted.
    """
    key, *rest = delivery
    columns = dict(zip(("webhook_id", "shard", "position"), key, strict=True)) | dict(
        zip(QueuedDelivery._fields[1:], rest, strict=True)
    )
    queued = select(_Q.position).where(key.where)
    values = select(*(literal(value, _Q[name].type) for name, value in columns.items())).where(
        ~queued.exists(), exists
    )
    return insert(webhook_queue).from_select(list(columns), values)


def _update(key: DeliveryKey, **values: Any) -> ClauseElement:
    return update(webhook_queue).where(key.where).values(**values)


def reschedule(
    key: DeliveryKey, attempts: int, next_attempt_at: int, last_result: str
) -> ClauseElement:
    """Schedule the next attempt of a delivery that failed again."""
    return _update(key, attempts=attempts, next_attempt_at=next_attempt_at, last_result=last_result)


def dead_letter(key: DeliveryKey, attempts: int, now: int, last_result: str) -> ClauseElement:
    """Make a delivery a dead letter."""
    return _update(
        key,
        attempts=attempts,
        next_attempt_at=None,
        dead_lettered_at=now,
        last_result=last_result,
    )


def mark_checked(key: DeliveryKey) -> ClauseElement:
    """Mark that the bot watchdog has checked a delivery."""
    return _update(key, waiting_since=None)


def complete(key: DeliveryKey) -> ClauseElement:
    """Remove a delivery that succeeded."""
    return delete(webhook_queue).where(key.where)


def unblock_next(destination_id: str, ordering_key: str, now: int) -> ClauseElement:
    """Make the next waiting delivery of a key due, if there is one."""
    behind = webhook_queue.alias()
    first = (
        select(behind)
        .where(
            behind.c.webhook_id == destination_id,
            behind.c.ordering_key == ordering_key,
            behind.c.dead_lettered_at.is_(None),
        )
        .order_by(behind.c.shard, behind.c.position)
        .limit(1)
    )
    # Column by column: for a pair, SQLite would read every delivery of the destination that waits.
    shard, position = (first.with_only_columns(behind.c[name]) for name in ("shard", "position"))
    return (
        update(webhook_queue)
        .where(
            _Q.webhook_id == destination_id,
            _Q.shard == shard.scalar_subquery(),
            _Q.position == position.scalar_subquery(),
            _Q.next_attempt_at.is_(None),
        )
        .values(next_attempt_at=now)
    )


def retry_all_now(destination_id: str, now: int) -> ClauseElement:
    """Make every scheduled retry of a destination due: it is reachable again."""
    return (
        update(webhook_queue)
        .where(_Q.webhook_id == destination_id, _Q.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def requeue(key: DeliveryKey, now: int) -> ClauseElement:
    """Turn a dead letter into a waiting delivery without attempts."""
    values = {
        "attempts": 0,
        "first_attempt_at": now,
        "next_attempt_at": None,
        "dead_lettered_at": None,
    }
    return update(webhook_queue).where(key.where, _Q.dead_lettered_at.is_not(None)).values(values)
