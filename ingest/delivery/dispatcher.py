"""The dispatcher: sends every event at least once, in order of its key, to every destination.

A destination reads the log from its own cursor. A failed delivery moves into the queue, and later events
with the same key wait behind it; other keys and other destinations continue. While the circuit breaker is
open, the log itself is the queue: the cursor stays where it is.

Successes are recorded some at a time. A process that is killed delivers again what it has not recorded: at
most `unrecorded_events` of each destination, 50 of a webhook. A channel account records each of its sends.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.clock import Clock
from ingest.contract import Cursor
from ingest.delivery import queue
from ingest.delivery.delivery_round import DeliveryRound
from ingest.delivery.destinations.base import Destination, DestinationRegistry, Record
from ingest.delivery.destinations.receipts import append_of
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.sender import Sender, Sleep
from ingest.egress.client import EgressClient
from ingest.egress.mail import MailClient
from ingest.errors import LogUnavailableError
from ingest.log import queries
from ingest.log.cursor import distance, furthest
from ingest.log.writer import Writer
from ingest.log.writer_requests import Execute, WriterRequest

logger = logging.getLogger(__name__)

PAGE_EVENTS = 200
"""Maximum events that a destination reads from the log at once."""

SAVE_EVERY_EVENTS = 10_000
"""Maximum distance between a destination's saved cursor and what it has read without wanting it."""

POLL_SECONDS = 1.0
"""Interval at which destinations, retries and the log are checked without a wake-up."""

JITTER = random.SystemRandom().random
"""Random numbers of the system: a seed of the process stays undisturbed."""


class _New(NamedTuple):
    """New events of the log, those that a destination wants, and their keys with a waiting delivery."""

    page: Sequence[RowMapping]
    wanted: Sequence[RowMapping]
    blocked: set[str]

    def cut(self, size: int) -> Iterator["_New"]:
        """Yield parts with at most `size` wanted events, in order. The last has what follows them."""
        ends = {(row["shard"], row["position"]): end for end, row in enumerate(self.page, 1)}
        begin = 0
        for number in range(size, len(self.wanted), size):
            wanted = self.wanted[number - size : number]
            end = ends[wanted[-1]["shard"], wanted[-1]["position"]]
            yield _New(self.page[begin:end], wanted, self.blocked)
            begin = end
        left = (len(self.wanted) - 1) // size * size if self.wanted else 0
        yield _New(self.page[begin:], self.wanted[left:], self.blocked)


class Dispatcher:
    """Serves every destination in its own task. `run` it on the event loop of the API."""

    def __init__(
        self,
        registry: DestinationRegistry,
        writer: Writer,
        engine: Engine,
        broadcaster: Broadcaster,
        egress: EgressClient,
        files: EgressClient,
        clock: Clock,
        jitter: Callable[[], float] = JITTER,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`clock` gives microseconds; `engine` only reads; `sleep` takes seconds; `files` fetches attachments."""
        self._registry = registry
        self._writer = writer
        self._engine = engine
        self._broadcaster = broadcaster
        self.egress = egress
        self._files = files
        self._clock = clock
        mail = MailClient(egress.allowed)
        self._senders = defaultdict[str, Sender](
            lambda: Sender(egress, files, mail, self._append, clock, jitter, sleep)
        )
        self._read: dict[str, Cursor] = {}
        self._probed: dict[str, tuple[int, int] | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._caught_up: set[str] = set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Close the connections."""
        await self.egress.close()
        await self._files.close()

    def refresh(self) -> None:
        """Read the destinations again: one was added, changed or deleted."""
        self._changed.set()

    def is_paused(self, destination_id: str) -> bool:
        """Return whether the circuit breaker of a destination is open."""
        return not self._senders[destination_id].breaker.is_closed

    def is_caught_up(self, destination_id: str) -> bool:
        """Return whether a destination has had its turn: its last round left nothing to attempt."""
        return destination_id in self._caught_up

    async def run(self) -> None:
        """Serve every destination until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self._start_tasks()
                except Exception:
                    logger.exception("the destinations could not be read; retrying")
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                with suppress(TimeoutError):  # another process may have changed them
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._changed.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _start_tasks(self) -> None:
        """Start a task for every enabled destination that has none."""
        for destination in await run_in_threadpool(self._registry.list_destinations):
            task = self._tasks.get(destination.destination_id)
            if destination.is_enabled and (task is None or task.done()):
                task = asyncio.create_task(self._serve(destination.destination_id))
                # It may end because it was disabled, and have been enabled again meanwhile.
                task.add_done_callback(lambda _: self._changed.set())
                self._tasks[destination.destination_id] = task

    async def _serve(self, destination_id: str) -> None:
        """Run rounds with a destination for as long as it is enabled."""
        # Scheduled retries waited for the destination, which may be reachable by now.
        await self._submit(Execute([queue.retry_all_now(destination_id, self._clock())]))
        with self._broadcaster.subscribe(None) as subscription:
            while True:
                subscription.start()
                try:
                    destination = await run_in_threadpool(
                        self._registry.get_destination, destination_id
                    )
                    if destination is None or not destination.is_enabled:
                        return
                    has_more = await self.run_round(destination)
                except Exception as error:
                    if not isinstance(error, LogUnavailableError):
                        logger.exception("a round of deliveries failed; retrying")
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                if has_more:
                    self._caught_up.discard(destination_id)
                else:
                    self._caught_up.add(destination_id)
                    await subscription.receive(POLL_SECONDS)

    async def run_round(self, destination: Destination) -> bool:
        """Deliver due retries, then new events. Return whether there may be more at once."""
        destination_id = destination.destination_id
        sender = self._senders[destination_id]
        breaker = sender.breaker
        sender.pace.set_rate(destination.requests_per_second)
        permits = breaker.permits(self._clock())
        if permits == 0:
            return False
        is_probe = permits is not None
        limit = permits or PAGE_EVENTS
        round_ = DeliveryRound(destination, self._registry, sender)
        due, new = await run_in_threadpool(self._read_round, destination, limit, is_probe)
        await round_.retry(due)
        await self._record(round_)
        if new is None and not is_probe:
            new = await run_in_threadpool(self._read_new, destination, limit)
        if new is not None and new.page:
            await self._deliver_new(destination, round_, new)
        if is_probe and breaker.is_closed:
            round_.statements.append(queue.retry_all_now(destination_id, self._clock()))
            await self._record(round_)
        return bool(due) or (new is not None and len(new.page) == limit)

    def _read_round(
        self, destination: Destination, limit: int, is_probe: bool
    ) -> tuple[Sequence[RowMapping], _New | None]:
        """Return due retries, and new events if there are none: those wait until the retries are over."""
        most = min(limit, destination.unrecorded_events or limit)
        due = self._list_due(destination.destination_id, most, is_probe=is_probe)
        return due, None if due else self._read_new(destination, limit)

    def _list_due(self, destination_id: str, limit: int, *, is_probe: bool) -> Sequence[RowMapping]:
        """Return due retries. A probe takes the one that has waited longest."""
        now = None if is_probe else self._clock()
        due = queue.list_due(self._engine, destination_id, now, limit)
        place = (due[0]["shard"], due[0]["position"]) if is_probe and due else None
        if place is not None and place == self._probed.get(destination_id):
            # Perhaps the destination rejects this one event only: probe with a new one.
            due, place = [], None
        self._probed[destination_id] = place
        return due

    async def _deliver_new(
        self, destination: Destination, round_: DeliveryRound, new: _New
    ) -> None:
        """Deliver new events of the log, and move the destination's cursor past them, some at a time."""
        for part in new.cut(destination.unrecorded_events or PAGE_EVENTS):
            await round_.deliver(part.wanted, part.blocked)
            cursor = self._cursor_after(destination, part.page)
            if part.wanted or distance(destination.cursor, cursor) >= SAVE_EVERY_EVENTS:
                round_.statements.append(
                    self._registry.save_cursor(destination.destination_id, cursor)
                )
            await self._record(round_)
            self._read[destination.destination_id] = cursor
            if not round_.may_send():
                return

    def _read_new(self, destination: Destination, limit: int) -> _New:
        """Read the log after the destination's cursor."""
        page = queries.read_log(self._engine, self._position(destination), limit)
        wanted = self.filter_wanted(destination, page)
        if not wanted:
            return _New(page, [], set())
        destination.load(wanted)
        keys = map(destination.ordering_key, wanted)
        blocked = queue.list_blocked_keys(self._engine, destination.destination_id, keys)
        return _New(page, wanted, blocked)

    def _position(self, destination: Destination) -> Cursor:
        read = self._read.get(destination.destination_id, {})
        return furthest(destination.cursor, read)

    def _cursor_after(self, destination: Destination, page: Sequence[RowMapping]) -> Cursor:
        return {
            **self._position(destination),
            **{row["shard"]: row["position"] for row in page},
        }

    def filter_wanted(
        self, destination: Destination, page: Sequence[RowMapping]
    ) -> list[RowMapping]:
        """Return the events that a destination wants. Reads the store."""
        return [row for row in page if destination.wants(row)]

    async def _record(self, round_: DeliveryRound) -> None:
        """Commit what a round has found out so far."""
        if round_.statements or round_.events:
            await self._submit(Execute(round_.statements, round_.events))
            round_.statements, round_.events = [], []

    async def _append(self, record: Record) -> None:
        """Commit the record of a send."""
        await self._submit(append_of(record))

    async def _submit(self, request: WriterRequest) -> None:
        """Commit a request. Retries without end: what it records has happened, or waits for it."""
        while True:
            try:
                await self._writer.submit(request)
            except LogUnavailableError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
