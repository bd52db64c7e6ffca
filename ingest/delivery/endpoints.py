"""Webhooks and what waits for them, in the store: read by its readers, changed by its one writer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
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

from ingest.contract import EVENT_TYPES
from ingest.delivery import signing
from ingest.log.tables import events, webhook_queue, webhooks

STREAMS = ("conversation", "contact")
"""What can be delivered."""


class Webhook(Struct, frozen=True):
    """Who is told. No `event_types`: every one of the conversation stream; no `channels`: every one."""

    webhook_id: str
    source: str
    url: str
    event_types: frozenset[str]
    channels: frozenset[str]
    bot_id: str | None
    secret: str
    old_secret: str | None
    old_until: int | None
    created_at: int
    position: int
    disabled_at: int | None
    disabled_because: str | None
    silent_position: int | None = None

    def keys(self, now: int) -> list[str]:
        """The secrets that a delivery is signed with: two while they are changed."""
        return signing.in_force(self.secret, self.old_secret, self.old_until, now)

    def wants(self, row: RowMapping, channel_of: Callable[[str | None], str | None]) -> bool:
        """Whether it is told of this event. Nobody is told of deliveries, or what their bot did.

        Of contacts only who asks for them by name is told.
        """
        kind = EVENT_TYPES.get(row["event_type"])
        if kind is not None and kind.stream not in STREAMS[: 2 if self.event_types else 1]:
            return False
        if self.event_types and not self.event_types & _names(row["event_type"]):
            return False
        if self.channels and channel_of(row["conversation_id"]) not in self.channels:
            return False
        return self.bot_id is None or row["participant_id"] != self.bot_id


HISTORY = 24 * 3_600_000_000
"""What was that old when it came is history: nobody waits for an answer to it."""


def is_asked(hook: Webhook, row: RowMapping) -> bool:
    """Whether with this event a customer waits for the bot of this webhook.

    What was said before the webhook was made it may be told of, but nobody counted on it.
    """
    return (
        hook.bot_id is not None
        and row["event_type"] == "message.created"
        and row["participant_role"] == "customer"
        and row["visibility"] == "public"
        and row["committed_at"] - row["happened_at"] < HISTORY
        and row["committed_at"] >= hook.created_at
    )


def _names(event_type: str) -> set[str]:
    """How a filter may name it: `message.created`, or all of its kind, `message.*`."""
    return {event_type, event_type.partition(".")[0] + ".*"}


def order_of(row: Mapping[str, Any] | RowMapping) -> str:
    """What an event keeps its order within: its conversation, else its contact."""
    return str(row["conversation_id"] or row["contact_id"] or "")


# --- reading


def get_webhook(engine: Engine, webhook_id: str) -> Webhook | None:
    """A webhook, or None."""
    with engine.connect() as connection:
        found = connection.execute(
            select(webhooks).where(webhooks.c.webhook_id == webhook_id)
        ).mappings()
        row = found.first()
    return None if row is None else _webhook(row)


def list_webhooks(engine: Engine) -> list[Webhook]:
    """Every webhook, oldest first."""
    query = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.webhook_id)
    with engine.connect() as connection:
        return [_webhook(row) for row in connection.execute(query).mappings()]


def _webhook(row: RowMapping) -> Webhook:
    values = dict(row)
    for name in ("event_types", "channels"):
        values[name] = frozenset(values[name].split())
    return Webhook(**values)


def list_queue(
    engine: Engine, webhook_id: str, limit: int, after: int = 0, *, is_dead: bool = False
) -> Sequence[RowMapping]:
    """At most `limit` deliveries that wait, or that were given up, in the order of the log."""
    died = webhook_queue.c.died_at
    query = (
        select(webhook_queue)
        .where(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.position > after)
        .where(died.is_not(None) if is_dead else died.is_(None))
        .order_by(webhook_queue.c.position)
    )
    with engine.connect() as connection:
        return connection.execute(query.limit(limit)).mappings().all()


def list_due(engine: Engine, webhook_id: str, now: int | None, limit: int) -> Sequence[RowMapping]:
    """At most `limit` deliveries that are to be tried again by `now`, with their events.

    None: those that are first in their conversation, the soonest first.
    """
    by_now = webhook_queue.c.next_at.is_not(None) if now is None else webhook_queue.c.next_at <= now
    query = (
        select(events, webhook_queue.c.attempts, webhook_queue.c.since)
        .join(webhook_queue, webhook_queue.c.position == events.c.position)
        .where(webhook_queue.c.webhook_id == webhook_id, by_now)
        .order_by(webhook_queue.c.position if now is not None else webhook_queue.c.next_at)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def list_unheard(engine: Engine, webhook_id: str, before: int, limit: int) -> Sequence[RowMapping]:
    """At most `limit` events that a customer waits with since `before`, or that were given up."""
    asked, died = webhook_queue.c.asked_at, webhook_queue.c.died_at
    query = (
        select(events)
        .join(webhook_queue, webhook_queue.c.position == events.c.position)
        .where(webhook_queue.c.webhook_id == webhook_id, asked.is_not(None))
        .where(or_(asked <= before, died.is_not(None)))
        .order_by(events.c.position)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def blocked(engine: Engine, webhook_id: str, orders: Iterable[str]) -> set[str]:
    """Those of these conversations in which something waits."""
    query = select(webhook_queue.c.of).where(
        webhook_queue.c.webhook_id == webhook_id,
        webhook_queue.c.of.in_(sorted(set(orders))),
        webhook_queue.c.died_at.is_(None),
    )
    with engine.connect() as connection:
        return set(connection.execute(query.distinct()).scalars())


# --- changing, by the writer


def added(webhook: Webhook) -> ClauseElement:
    """A new webhook."""
    return insert(webhooks).values(
        {
            name: " ".join(sorted(value)) if isinstance(value, frozenset) else value
            for name in Webhook.__struct_fields__
            for value in [getattr(webhook, name)]
        }
    )


def changed(webhook_id: str, **values: Any) -> ClauseElement:
    """Other values."""
    return update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(**values)


def removed(webhook_id: str) -> list[ClauseElement]:
    """No webhook any more, and nothing waits for it."""
    return [
        delete(table).where(table.c.webhook_id == webhook_id) for table in (webhook_queue, webhooks)
    ]


def _at(webhook_id: str, position: int) -> Any:
    return and_(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.position == position)


class Waiting(NamedTuple):
    """A delivery that failed, or waits behind one that did (then `next_at` is None).

    `asked_at`: since then a customer waits with it for a bot.
    """

    webhook_id: str
    position: int
    of: str
    since: int
    attempts: int = 0
    next_at: int | None = None
    last: str | None = None
    asked_at: int | None = None


def waiting(each: Waiting) -> ClauseElement:
    """It waits; nothing is done if it does already, or if its webhook was removed meanwhile."""
    there = select(webhook_queue.c.position).where(_at(each.webhook_id, each.position))
    hook = select(webhooks.c.webhook_id).where(webhooks.c.webhook_id == each.webhook_id)
    values = select(
        *(literal(value, webhook_queue.c[name].type) for name, value in each._asdict().items())
    ).where(~there.exists(), hook.exists())
    return insert(webhook_queue).from_select(list(Waiting._fields), values)


def tried(webhook_id: str, position: int, attempts: int, next_at: int, last: str) -> ClauseElement:
    """It failed again."""
    return (
        update(webhook_queue)
        .where(_at(webhook_id, position))
        .values(attempts=attempts, next_at=next_at, last=last)
    )


def died(webhook_id: str, position: int, attempts: int, now: int, last: str) -> ClauseElement:
    """It is given up, and kept."""
    return (
        update(webhook_queue)
        .where(_at(webhook_id, position))
        .values(attempts=attempts, next_at=None, died_at=now, last=last)
    )


def told_of(webhook_id: str, position: int) -> ClauseElement:
    """That its bot was not reached is known; it is not told again."""
    return update(webhook_queue).where(_at(webhook_id, position)).values(asked_at=None)


def settled(webhook_id: str, position: int) -> ClauseElement:
    """It arrived."""
    return delete(webhook_queue).where(_at(webhook_id, position))


def let_on(webhook_id: str, of: str, now: int) -> ClauseElement:
    """What waited behind it is the first now, if anything did."""
    behind = webhook_queue.alias()
    first = select(func.min(behind.c.position)).where(
        behind.c.webhook_id == webhook_id, behind.c.of == of, behind.c.died_at.is_(None)
    )
    return (
        update(webhook_queue)
        .where(
            webhook_queue.c.webhook_id == webhook_id,
            webhook_queue.c.position == first.scalar_subquery(),
            webhook_queue.c.next_at.is_(None),
        )
        .values(next_at=now)
    )


def hurried(webhook_id: str, now: int) -> ClauseElement:
    """The endpoint is back: whatever waits for its next try is tried now."""
    return (
        update(webhook_queue)
        .where(webhook_queue.c.webhook_id == webhook_id, webhook_queue.c.next_at > now)
        .values(next_at=now)
    )


def revived(webhook_id: str, position: int, since: int, next_at: int | None) -> ClauseElement:
    """What was given up is tried anew."""
    values = {"attempts": 0, "since": since, "next_at": next_at, "died_at": None}
    is_dead = webhook_queue.c.died_at.is_not(None)
    return update(webhook_queue).where(_at(webhook_id, position), is_dead).values(values)
