"""A round of deliveries with an endpoint: what is sent, and what is written down of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ClauseElement, RowMapping

from ingest.clock import new_uuid7
from ingest.contract import from_micros
from ingest.delivery import queue
from ingest.delivery.destinations.webhook import Webhook, expects_bot_reply, ordering_key
from ingest.delivery.queue import QueuedDelivery
from ingest.egress.client import EgressResult
from ingest.events.event_view import render_event
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, to_json


class RoundResult(msgspec.Struct):
    """What one round with an endpoint came to: changes of the store, and events that tell of it."""

    statements: list[ClauseElement]
    events: list[StoredEvent]
    is_gone: bool = False


def delivery_id(row: RowMapping) -> str:
    """The id of an event's delivery: the same at every try, and for every endpoint."""
    return f"evt_{row['shard']}_{row['position']}"


def delivery_body(row: RowMapping) -> bytes:
    """What is sent: made of the event alone, so it is the same bytes at every try."""
    return msgspec.json.encode(
        {
            "type": row["event_type"],
            "timestamp": from_micros(row["committed_at"]),
            "data": render_event(row, "all"),
        }
    )


def enqueue_delivery(hook: Webhook, row: RowMapping, **values: Any) -> ClauseElement:
    """It waits: for its next try (`next_attempt_at`), or behind another one."""
    values.setdefault("first_attempt_at", row["committed_at"])
    bot_wait_since = row["committed_at"] if expects_bot_reply(hook, row) else None
    return queue.enqueue(
        QueuedDelivery(
            hook.webhook_id,
            row["position"],
            ordering_key(row),
            bot_wait_since=bot_wait_since,
            **values,
        )
    )


def group_by_ordering_key(rows: Sequence[RowMapping]) -> list[list[RowMapping]]:
    """By conversation, each in its order."""
    groups: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[ordering_key(row)].append(row)
    return list(groups.values())


def delivery_event(
    event_type: str, hook: Webhook, row: RowMapping, attempt: int, outcome: EgressResult, now: int
) -> StoredEvent:
    """The event that tells of a try."""
    payload = {
        "webhook_id": hook.webhook_id,
        "position": row["position"],
        "attempt": attempt,
        "status": outcome.status,
        "error": outcome.error,
        "seconds": round(outcome.seconds, 3),
    }
    return StoredEvent(
        event_id=new_uuid7(),
        event_type=event_type,
        caused_by=row["event_id"],
        visibility="internal",
        received_at=now,
        happened_at=now,
        payload=to_json({key: value for key, value in payload.items() if value is not None}),
        source=SYSTEM_SOURCE,
        fingerprint=b"",
    )
