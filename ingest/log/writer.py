"""Group commit: one thread drains what is queued into one transaction, then acknowledges.

The seam between the API and the log: a submission in (`submit`), an acknowledgement for each
of its arrivals out, in order, once they are on disk. What the queue cannot hold is refused at once with
LogUnavailableError; nothing is ever acknowledged early.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ClauseElement

from ingest.errors import LogUnavailableError
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.storage.store import Store
from ingest.log.unit_of_work import UnitOfWork
from ingest.log.writer_requests import Acknowledgement, Append

logger = logging.getLogger(__name__)

Clock = Callable[[], int]
NewId = Callable[[], str]

MAX_TIMERS_PER_COMMIT = 500
"""So many conversations get what is due in one commit; what comes in waits no longer for it."""

SLOW_COMMIT_SECONDS = 10
STOP_TIMEOUT_SECONDS = 60
"""So long what was submitted may take at the end; a thread that hangs does not hold the process."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Something else to change in a commit, and the events that tell of it. Safe to repeat."""

    statements: Sequence[ClauseElement]
    rows: Sequence[StoredEvent] = ()


@dataclass(slots=True)
class _Request:
    submission: Append
    received_at: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[list[Acknowledgement]]"
    change: Execute | None = None


class Writer:
    """The one writer of the log. `start` it, `submit` to it from an event loop, `stop` it.

    What fails before the commit is rolled back, and so is a commit that found no space or the
    file locked. After any other failed commit to SQLite the state on disk is not known (after a
    failed fsync least of all), so the writer stops acknowledging for good; `failure` says why, and
    a restart reads the truth from disk. PostgreSQL is connected to again.
    """

    def __init__(
        self,
        store: Store,
        *,
        shard: int,
        rules: LifecyclePolicy,
        clock: Clock,
        new_id: NewId,
        commit_events: int = 4096,
        queue_events: int = 50_000,
        publish: Callable[[Sequence[StoredEvent]], None] = lambda _: None,
    ) -> None:
        """`clock` gives microseconds; `publish` is told on the event loop what was committed."""
        self._store = store
        self._shard = shard
        self._rules = rules
        self._clock = clock
        self._new_id = new_id
        self._commit_events = commit_events
        self._queue_events = queue_events
        self._publish = publish
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0
        self._position = store.last_position()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._stopping = False
        self._committing = False
        self.failure: str | None = None
        self._trouble: str | None = None
        self._began_at: int | None = None
        self.commits = 0

    @property
    def position(self) -> int:
        """Position of the newest durable event."""
        return self._position

    @property
    def last_error(self) -> str | None:
        """What was wrong with the last commit, or that one does not end; None if all is well."""
        began_at = self._began_at
        if began_at is not None and self._clock() - began_at > SLOW_COMMIT_SECONDS * 1_000_000:
            return f"a commit takes longer than {SLOW_COMMIT_SECONDS} s; is its disk or database there?"
        return self._trouble

    @property
    def queued_events(self) -> int:
        """Events submitted and not yet answered."""
        return self._waiting

    def start(self) -> None:
        """Begin to take events."""
        self._thread.start()

    def stop(self) -> None:
        """Answer all that was submitted, then close the store. Blocks until done."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.error("a commit does not end; what waited for it was not acknowledged")
            return
        self._store.close()

    def execute(self, change: Execute) -> "asyncio.Future[list[Acknowledgement]]":
        """Have it done in the next commit; the future is done when it is on disk.

        Raises LogUnavailableError.
        """
        return self.submit(Append(SYSTEM_SOURCE, "", 0, []), change)

    def submit(
        self, submission: Append, change: Execute | None = None
    ) -> "asyncio.Future[list[Acknowledgement]]":
        """Queue a submission for the next commit; the future is done when it is on disk.

        Raises LogUnavailableError if the queue is full or the writer failed or stops.
        """
        if self.failure is not None or self._stopping:
            raise LogUnavailableError("the log does not take events now; /readyz says why")
        count = len(submission.events)
        if self._waiting + count > self._queue_events and self._waiting:
            raise LogUnavailableError(
                "too many events are waiting for the disk; send again in a second"
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Acknowledgement]] = loop.create_future()
        self._waiting += count
        self._queue.put(_Request(submission, self._clock(), loop, answer, change))
        return answer

    def run_timers(self) -> "asyncio.Future[list[Acknowledgement]]":
        """Do what is due by now: what ran out, and what waited in vain.

        At most in MAX_TIMERS_PER_COMMIT conversations; the future is done when it is on disk.
        Raises LogUnavailableError.
        """
        return self.submit(Append(SYSTEM_SOURCE, "", 0, []))

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            requests, last = self._drain(first)
            self._serve(requests)
            if last:
                return

    def _drain(self, first: _Request) -> tuple[list[_Request], bool]:
        requests = [first]
        count = len(first.submission.events)
        while count < self._commit_events:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                return requests, True
            requests.append(request)
            count += len(request.submission.events)
        return requests, False

    def _serve(self, requests: list[_Request]) -> None:
        answers: list[list[Acknowledgement]] | LogUnavailableError
        rows: list[StoredEvent] = []
        self._began_at = self._clock()
        try:
            answers, rows = self._commit(requests)
        except Exception as error:
            answers = self._give_up(error)
            if len(requests) > 1 and self.failure is None and not self._store.is_disconnected:
                # One of them may be at fault: the others must not fail with it. If the connection
                # is lost, all of them may be on disk: only their clients may send them again.
                for request in requests:
                    self._serve([request])
                return
        self._began_at = None
        requests[0].loop.call_soon_threadsafe(self._answer, requests, answers, rows)

    def _give_up(self, error: Exception) -> LogUnavailableError:
        logger.error("a commit of the log failed", exc_info=error)
        if self.failure is None and self._store.is_fatal(error, is_committing=self._committing):
            kind = type(error).__name__
            self.failure = f"a commit failed ({kind}); restart to read the truth from disk"
        self._trouble = f"the last commit failed ({type(error).__name__}); it is tried again"
        try:
            self._store.rollback()
        except Exception:
            logger.exception("the rollback failed too")
        return LogUnavailableError("the commit failed; nothing of this request was acknowledged")

    def _commit(
        self, requests: list[_Request]
    ) -> tuple[list[list[Acknowledgement]], list[StoredEvent]]:
        if self.failure is not None:
            raise LogUnavailableError(self.failure)
        self._committing = False
        self._position = position = self._store.begin(self._position)
        submissions = [request.submission for request in requests]
        batch = UnitOfWork(self._store, submissions, self._rules)
        answers = [
            batch.take(request.submission, request.received_at, self._new_ids(request.submission))
            for request in requests
        ]
        if not all(submission.events for submission in submissions):
            batch.run_due(self._clock(), MAX_TIMERS_PER_COMMIT)
            for request in requests:
                if request.change is not None:
                    self._change(request.change, batch)
        committed_at = self._clock()
        for row in batch.rows:
            position += 1
            row.shard = self._shard
            row.position = position
            row.committed_at = committed_at
        batch.save(committed_at)
        self._committing = True
        self._store.commit()
        self._position = position
        self._trouble = None
        self.commits += 1
        return answers, batch.rows

    def _change(self, change: Execute, batch: UnitOfWork) -> None:
        """Safe to repeat: it may be on disk already, if nobody heard what became of its commit."""
        for statement in change.statements:
            self._store.execute(statement)
        known = self._store.find_events([row.event_id for row in change.rows])
        batch.rows += [row for row in change.rows if (row.source, row.event_id) not in known]

    def _new_ids(self, submission: Append) -> list[str]:
        return [
            "" if arrival.draft is None or arrival.draft.event_id is not None else self._new_id()
            for arrival in submission.events
        ]

    def _answer(
        self,
        requests: list[_Request],
        answers: list[list[Acknowledgement]] | LogUnavailableError,
        rows: list[StoredEvent],
    ) -> None:
        for number, request in enumerate(requests):
            self._waiting -= len(request.submission.events)
            if request.answer.done():  # the client went away; its events are durable all the same
                continue
            if isinstance(answers, LogUnavailableError):
                request.answer.set_exception(answers)
            else:
                request.answer.set_result(answers[number])
        self._publish(rows)
