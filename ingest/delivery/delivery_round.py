"""One round with a destination: attempts, and the statements and events that record them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ClauseElement, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.clock import new_uuid7
from ingest.delivery import queue
from ingest.delivery.destinations.base import (
    Delivered,
    Destination,
    DestinationRegistry,
    Disabled,
    Interpretation,
    Rejected,
    Request,
    Retry,
    Send,
    Skip,
    Unknown,
)
from ingest.delivery.message_parts import send_parts
from ingest.delivery.queue import DeliveryKey, QueuedDelivery
from ingest.delivery.retry_policy import next_attempt_at
from ingest.delivery.sender import Sender
from ingest.egress.client import EgressResult
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, to_json
from ingest.events.types import find_event_type

KEY_TIME_SLICE_SECONDS = 5.0
"""Time after which a key yields to the destination's other keys; it continues in the next round."""


class Delivery(NamedTuple):
    """An event to deliver. A retry is in the queue already; a new event is not."""

    event: RowMapping
    is_queued: bool
    attempts: int = 0
    first_attempt_at: int | None = None


class DeliveryRound:
    """Attempts deliveries, and collects what the writer has to record about them."""

    def __init__(
        self, destination: Destination, registry: DestinationRegistry, sender: Sender
    ) -> None:
        """Start with nothing to record."""
        self._destination = destination
        self._registry = registry
        self._sender = sender
        self._breaker = sender.breaker
        self._clock = sender.clock
        self._jitter = sender.jitter
        self._is_disabled = False
        self._blocked_keys: set[str] = set()
        self.statements: list[ClauseElement] = []
        self.events: list[StoredEvent] = []

    async def retry(self, rows: Sequence[RowMapping]) -> None:
        """Attempt deliveries that are in the queue."""
        await self._deliver(
            [Delivery(row, True, row["attempts"], row["first_attempt_at"]) for row in rows]
        )

    async def deliver(self, rows: Sequence[RowMapping], blocked_keys: set[str]) -> None:
        """Attempt new events; enqueue those whose key is blocked, since before the round or by it."""
        ordering_key = self._destination.ordering_key
        blocked = (blocked_keys | self._blocked_keys) & set(map(ordering_key, rows))
        for row in rows:
            if ordering_key(row) in blocked:
                self._enqueue(row)
        # The delivery that blocked them may have succeeded meanwhile.
        for key in sorted(blocked):
            self._unblock(key)
        await self._deliver(
            [Delivery(row, False) for row in rows if ordering_key(row) not in blocked]
        )

    async def _deliver(self, deliveries: list[Delivery]) -> None:
        """Deliver every key in order, and several keys in parallel."""
        by_key: defaultdict[str, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_key[self._destination.ordering_key(delivery.event)].append(delivery)
        slots = asyncio.Semaphore(self._destination.parallel_keys)
        async with asyncio.TaskGroup() as tasks:
            for group in by_key.values():
                tasks.create_task(self._deliver_key(group, slots))

    async def _deliver_key(self, deliveries: list[Delivery], slots: asyncio.Semaphore) -> None:
        async with slots:
            deadline = time.monotonic() + KEY_TIME_SLICE_SECONDS
            for number, delivery in enumerate(deliveries):
                if time.monotonic() > deadline or not self.may_send():
                    self._postpone(deliveries[number:])
                    return
                if not await self._attempt(delivery):
                    self._wait_behind(deliveries[number + 1 :])
                    return

    def may_send(self) -> bool:
        """Return whether the destination takes requests: it is enabled, and its circuit breaker permits one."""
        return not self._is_disabled and self._breaker.permits(self._clock()) != 0

    async def _attempt(self, delivery: Delivery) -> bool:
        """Attempt one delivery; return whether the next one of its key may follow."""
        prepared = await self._prepare(delivery)
        match prepared:
            case Skip(reason):
                self._record("attempted", delivery, EgressResult(None, reason, 0.0))
                self._complete(delivery)
                return True
            case Retry(reason):
                return self._conclude(delivery, EgressResult(None, reason, 0.0), prepared)
            case Request():
                result, outcome = await self._sender.send(self._destination, prepared)
                return self._conclude(delivery, result, outcome)
            case Send():
                result, outcome = await send_parts(
                    self._sender,
                    self._destination,
                    prepared,
                    lambda retry: self._next_attempt_at(delivery, retry) is None,
                )
                if isinstance(outcome, Rejected):  # the journal has it
                    outcome = Delivered()
                return self._conclude(delivery, result, outcome)

    async def _prepare(self, delivery: Delivery) -> Request | Send | Skip | Retry:
        event, attempt = delivery.event, delivery.attempts + 1
        if self._destination.is_loaded(event):
            return self._destination.prepare(event, attempt)
        return await run_in_threadpool(self._destination.prepare, event, attempt)

    def _conclude(self, delivery: Delivery, result: EgressResult, outcome: Interpretation) -> bool:
        """Note the outcome of an attempt; return whether the next delivery of its key may follow."""
        match outcome:
            case Delivered() | Unknown():
                self._record("delivered", delivery, result)
                self._complete(delivery)
                return True
            case Rejected(reason):
                self._dead_letter(delivery, result, reason)
                return not delivery.is_queued
            case Retry():
                self._schedule(delivery, result, outcome)
            case Disabled(reason):
                self._is_disabled = True
                destination_id = self._destination.destination_id
                self.statements.append(
                    self._registry.disable(destination_id, reason, self._clock())
                )
                self._schedule(delivery, result, Retry(f"status {result.status}"))
        return False

    def _next_attempt_at(self, delivery: Delivery, retry: Retry) -> int | None:
        """Return when to try again; None if it is a dead letter now."""
        now = self._clock()
        first = now if delivery.first_attempt_at is None else delivery.first_attempt_at
        return next_attempt_at(now, first, delivery.attempts + 1, retry.retry_after, self._jitter)

    def _schedule(self, delivery: Delivery, result: EgressResult, retry: Retry) -> None:
        """Schedule the next attempt, or make the delivery a dead letter."""
        now, attempts, reason = self._clock(), delivery.attempts + 1, retry.reason
        next_at = self._next_attempt_at(delivery, retry)
        if next_at is None:
            self._dead_letter(delivery, result, reason)
            return
        self._record("attempted", delivery, result)
        if delivery.is_queued:
            key = self._key(delivery.event)
            self.statements.append(queue.reschedule(key, attempts, next_at, reason))
        else:
            self._enqueue(
                delivery.event,
                first_attempt_at=now,
                attempts=attempts,
                next_attempt_at=next_at,
                last_result=reason,
            )

    def _dead_letter(self, delivery: Delivery, result: EgressResult, reason: str) -> None:
        now, attempts = self._clock(), delivery.attempts + 1
        self._record("dead_lettered", delivery, result)
        if delivery.is_queued:
            key = self._key(delivery.event)
            self.statements.append(queue.dead_letter(key, attempts, now, reason))
            self._unblock(self._destination.ordering_key(delivery.event))
        else:
            self._enqueue(
                delivery.event,
                first_attempt_at=now,
                attempts=attempts,
                dead_lettered_at=now,
                last_result=reason,
            )

    def _complete(self, delivery: Delivery) -> None:
        if delivery.is_queued:
            self.statements.append(queue.complete(self._key(delivery.event)))
            self._unblock(self._destination.ordering_key(delivery.event))

    def _postpone(self, deliveries: Sequence[Delivery]) -> None:
        """Put new events into the queue, the first one due at once."""
        first, *rest = deliveries
        if not first.is_queued:
            self._enqueue(first.event, next_attempt_at=self._clock())
        self._wait_behind(rest)

    def _wait_behind(self, deliveries: Sequence[Delivery]) -> None:
        """Put new events into the queue, behind the one that blocks their key."""
        for delivery in deliveries:
            if not delivery.is_queued:
                self._enqueue(delivery.event)

    def _enqueue(
        self,
        event: RowMapping,
        *,
        first_attempt_at: int | None = None,
        attempts: int = 0,
        next_attempt_at: int | None = None,
        dead_lettered_at: int | None = None,
        last_result: str | None = None,
    ) -> None:
        committed_at, ordering_key = event["committed_at"], self._destination.ordering_key(event)
        if dead_lettered_at is None:
            self._blocked_keys.add(ordering_key)
        self.statements.append(
            queue.enqueue(
                QueuedDelivery(
                    self._key(event),
                    ordering_key,
                    committed_at if first_attempt_at is None else first_attempt_at,
                    attempts,
                    next_attempt_at,
                    dead_lettered_at,
                    last_result,
                    waiting_since=committed_at,
                ),
                self._registry.exists(self._destination.destination_id),
            )
        )

    def _unblock(self, ordering_key: str) -> None:
        self.statements.append(
            queue.unblock_next(self._destination.destination_id, ordering_key, self._clock())
        )

    def _key(self, event: RowMapping) -> DeliveryKey:
        return DeliveryKey(self._destination.destination_id, event["shard"], event["position"])

    def _record(self, verb: str, delivery: Delivery, result: EgressResult) -> None:
        """Append the event that records an attempt, if the destination's kind has such events."""
        now, event = self._clock(), delivery.event
        kind = self._destination.kind
        if find_event_type(f"{kind}.{verb}") is None:
            return  # its journal has the attempts
        payload = {
            f"{kind}_id": self._destination.destination_id,
            "position": event["position"],
            "attempt": delivery.attempts + 1,
            "status": result.status,
            "error": result.error,
            "seconds": round(result.seconds, 3),
        }
        self.events.append(
            StoredEvent(
                event_id=new_uuid7(),
                event_type=f"{kind}.{verb}",
                caused_by=event["event_id"],
                visibility="internal",
                received_at=now,
                happened_at=now,
                payload=to_json(
                    {key: value for key, value in payload.items() if value is not None}
                ),
                source=SYSTEM_SOURCE,
                fingerprint=b"",
            )
        )
