"""A round of deliveries with an endpoint: what is sent, and what is written down of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ClauseElement, RowMapping

from ingest.clock import new_uuid7
from ingest.contract import from_micros
from ingest.delivery import queue
from ingest.delivery.destinations.webhook import Webhook, is_asked, order_of
from ingest.delivery.queue import Waiting
from ingest.egress.client import Outcome
from ingest.events.event_view import shown
from ingest.events.stored_event import SERVER, Row, to_json


class Round(msgspec.Struct):
    """What one round with an endpoint came to: changes of the store, and events that tell of it."""

    changes: list[ClauseElement]
    rows: list[Row]
    is_gone: bool = False


def id_of(row: RowMapping) -> str:
    """The id of an event's delivery: the same at every try, and for every endpoint."""
    return f"evt_{row['shard']}_{row['position']}"


def body_of(row: RowMapping) -> bytes:
    """What is sent: made of the event alone, so it is the same bytes at every try."""
    return msgspec.json.encode(
        {
            "type": row["event_type"],
            "timestamp": from_micros(row["committed_at"]),
            "data": shown(row, "all"),
        }
    )


def waiting(hook: Webhook, row: RowMapping, **values: Any) -> ClauseElement:
    """It waits: for its next try (`next_at`), or behind another one."""
    values.setdefault("since", row["committed_at"])
    asked_at = row["committed_at"] if is_asked(hook, row) else None
    return queue.waiting(
        Waiting(hook.webhook_id, row["position"], order_of(row), asked_at=asked_at, **values)
    )


def grouped(rows: Sequence[RowMapping]) -> list[list[RowMapping]]:
    """By conversation, each in its order."""
    groups: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[order_of(row)].append(row)
    return list(groups.values())


def told(
    event_type: str, hook: Webhook, row: RowMapping, attempt: int, outcome: Outcome, now: int
) -> Row:
    """The event that tells of a try."""
    payload = {
        "webhook_id": hook.webhook_id,
        "position": row["position"],
        "attempt": attempt,
        "status": outcome.status,
        "error": outcome.error,
        "seconds": round(outcome.seconds, 3),
    }
    return Row(
        event_id=new_uuid7(),
        event_type=event_type,
        caused_by=row["event_id"],
        visibility="internal",
        received_at=now,
        happened_at=now,
        payload=to_json({key: value for key, value in payload.items() if value is not None}),
        source=SERVER,
        fingerprint=b"",
    )
