"""Group commit: one thread drains the queue into one transaction, then acknowledges.

The seam between the API and the log: a request in (`submit`), an acknowledgement for each event of an
`Append` out, in order, once they are on disk. A full queue rejects requests at once with
LogUnavailableError. Nothing is acknowledged early.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.clock import Clock, NewId
from ingest.errors import LogUnavailableError
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.deferred_appends import build_appends
from ingest.log.storage.store import Store
from ingest.log.unit_of_work import UnitOfWork
from ingest.log.writer_requests import (
    Acknowledgement,
    Append,
    ClaimReviewItem,
    Execute,
    RecordPresence,
    ReleaseReviewItem,
    RunTimers,
    WriterRequest,
    expected_events,
)

logger = logging.getLogger(__name__)

MAX_TIMERS_PER_COMMIT = 500
"""Maximum conversations whose timers run in one commit, so that new events do not wait longer."""

SLOW_COMMIT_SECONDS = 10
"""Duration after which `last_error` reports that a commit hangs."""

STOP_TIMEOUT_SECONDS = 60
"""Maximum time that `stop` waits for the last commit."""


Result = list[Acknowledgement] | Exception
"""What a request gets: an acknowledgement for each event, or why the request could not be built."""


@dataclass(slots=True)
class _Queued:
    request: WriterRequest
    received_at: int
    loop: asyncio.AbstractEventLoop
    result: "asyncio.Future[list[Acknowledgement]]"
    event_count: int


class Writer:
    """The one writer of the log. `start` it, `submit` to it from an event loop, `stop` it.

    An error before the commit is rolled back, and so is a commit that found a full disk or a locked file.
    After any other failed commit to SQLite the state on disk is unknown (above all after a failed fsync),
    so the writer stops acknowledging; `failure` has the reason, and a restart reads the disk. A
    connection to PostgreSQL is opened again.
    """

    def __init__(
        self,
        store: Store,
        *,
        shard: int,
        policy: LifecyclePolicy,
        clock: Clock,
        new_id: NewId,
        commit_events: int = 4096,
        queue_events: int = 50_000,
        publish: Callable[[Sequence[StoredEvent]], None] = lambda _: None,
    ) -> None:
        """Open the log at its last position.

        `clock` gives microseconds. `publish` receives committed events on the event loop.
        """
        self._store = store
        self._shard = shard
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._commit_events = commit_events
        self._queue_events = queue_events
        self._publish = publish
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._queued_events = 0
        self._position = store.last_position()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._stopping = False
        self._committing = False
        self.failure: str | None = None
        self._last_error: str | None = None
        self._commit_started_at: int | None = None
        self.commits = 0

    @property
    def position(self) -> int:
        """Position of the newest durable event."""
        return self._position

    @property
    def last_error(self) -> str | None:
        """Why the last commit failed, or that it hangs; None if the writer is healthy."""
        started_at = self._commit_started_at
        if started_at is not None and self._clock() - started_at > SLOW_COMMIT_SECONDS * 1_000_000:
            return f"a commit takes longer than {SLOW_COMMIT_SECONDS} s; check its disk or database"
        return self._last_error

    @property
    def queued_events(self) -> int:
        """Number of events that wait for an acknowledgement."""
        return self._queued_events

    def start(self) -> None:
        """Start the writer's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Commit everything that is queued, then close the store. Blocks until done."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.error("a commit does not end; its events were not acknowledged")
            return
        self._store.close()

    def execute(self, request: Execute) -> "asyncio.Future[list[Acknowledgement]]":
        """Run statements in the next commit; the future resolves when it is on disk.

        Raises LogUnavailableError.
        """
        return self.submit(request)

    def run_timers(self) -> "asyncio.Future[list[Acknowledgement]]":
        """Run due timers in the next commit; the future resolves when it is on disk.

        Raises LogUnavailableError.
        """
        return self.submit(RunTimers(MAX_TIMERS_PER_COMMIT))

    def submit(self, request: WriterRequest) -> "asyncio.Future[list[Acknowledgement]]":
        """Queue a request for the next commit; the future resolves when it is on disk.

        Raises LogUnavailableError if the queue is full, or the writer failed or stops.
        """
        if self.failure is not None or self._stopping:
            raise LogUnavailableError("the log accepts no events now; /readyz says why")
        loop = asyncio.get_running_loop()
        count = expected_events(request)
        if self._queued_events + count > self._queue_events and self._queued_events:
            raise LogUnavailableError("the write queue is full; send again in a second")
        queued = _Queued(request, self._clock(), loop, loop.create_future(), count)
        self._queued_events += count
        self._queue.put(queued)
        return queued.result

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch, is_last = self._drain(first)
            self._serve(batch)
            if is_last:
                return

    def _drain(self, first: _Queued) -> tuple[list[_Queued], bool]:
        batch = [first]
        count = first.event_count
        while count < self._commit_events:
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                break
            if queued is None:
                return batch, True
            batch.append(queued)
            count += queued.event_count
        return batch, False

    def _serve(self, batch: list[_Queued]) -> None:
        results: list[Result] | LogUnavailableError
        events: list[StoredEvent] = []
        self._commit_started_at = self._clock()
        try:
            results, events = self._commit(batch)
        except Exception as error:
            results = self._handle_failure(error)
            if len(batch) > 1 and self.failure is None and not self._store.is_disconnected:
                # One request may be at fault, and must not fail the others. If the connection is
                # lost, all may be on disk: only their clients may send them again.
                for queued in batch:
                    self._serve([queued])
                return
        self._commit_started_at = None
        batch[0].loop.call_soon_threadsafe(self._resolve, batch, results, events)

    def _handle_failure(self, error: Exception) -> LogUnavailableError:
        logger.error("a commit of the log failed", exc_info=error)
        kind = type(error).__name__
        if self.failure is None and self._store.is_fatal(error, is_committing=self._committing):
            self.failure = f"a commit failed ({kind}); restart to read the truth from disk"
        self._last_error = f"the last commit failed ({kind}); the writer retries"
        try:
            self._store.rollback()
        except Exception:
            logger.exception("the rollback failed too")
        return LogUnavailableError("the commit failed; nothing of this request was acknowledged")

    def _commit(self, batch: list[_Queued]) -> tuple[list[Result], list[StoredEvent]]:
        if self.failure is not None:
            raise LogUnavailableError(self.failure)
        self._committing = False
        requests = build_appends([each.request for each in batch], self._store)
        self._position = self._store.begin(self._position)
        work, results = self._process(batch, requests)
        committed_at = self._clock()
        position = self._assign_positions(work.events, committed_at)
        work.save(committed_at)
        self._committing = True
        self._store.commit()
        self._position = position
        self._last_error = None
        self.commits += 1
        return results, work.events

    def _process(
        self, batch: list[_Queued], requests: Sequence[WriterRequest | Exception]
    ) -> tuple[UnitOfWork, list[Result]]:
        """Decide all appends of a batch, then run its other requests."""
        appends = [each for each in requests if isinstance(each, Append)]
        work = UnitOfWork(self._store, appends, self._policy)
        results: list[Result] = []
        for queued, request in zip(batch, requests, strict=True):
            if isinstance(request, Append):
                new_ids = self._new_ids(request)
                results.append(work.append(request, queued.received_at, new_ids))
            else:
                results.append(request if isinstance(request, Exception) else [])
        for request in requests:
            match request:
                case RunTimers(limit):
                    work.run_timers(self._clock(), limit)
                case RecordPresence():
                    work.record_presence(request, self._clock())
                case Append(statements=statements) if statements:
                    work.execute(Execute(statements))
                case Execute():
                    work.execute(request)
                case ClaimReviewItem():
                    work.reviews.claim(request, self._clock())
                case ReleaseReviewItem():
                    work.reviews.release(request)
        return work, results

    def _assign_positions(self, events: Sequence[StoredEvent], committed_at: int) -> int:
        """Give each event its place in the shard; return the last position."""
        position = self._position
        for position, event in enumerate(events, self._position + 1):
            event.shard = self._shard
            event.position = position
            event.committed_at = committed_at
        return position

    def _new_ids(self, request: Append) -> list[str]:
        return [
            "" if incoming.draft is None or incoming.draft.event_id is not None else self._new_id()
            for incoming in request.events
        ]

    def _resolve(
        self,
        batch: list[_Queued],
        results: list[Result] | LogUnavailableError,
        events: list[StoredEvent],
    ) -> None:
        for number, queued in enumerate(batch):
            self._queued_events -= queued.event_count
            if queued.result.done():  # the client disconnected; its events are durable anyway
                continue
            result = results if isinstance(results, LogUnavailableError) else results[number]
            if isinstance(result, Exception):
                queued.result.set_exception(result)
            else:
                queued.result.set_result(result)
        self._publish(events)
