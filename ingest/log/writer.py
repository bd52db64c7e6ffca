"""The writer of the log, as the API sees it.

The seam between the API and the log: a request in (`submit`), an acknowledgement for each event of an
`Append` out, in order, once they are on disk. A full queue rejects requests at once with
LogUnavailableError. Nothing is acknowledged early.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.errors import LogUnavailableError
from ingest.events.stored_event import StoredEvent
from ingest.log.committer import LogStatus, Received, Result
from ingest.log.writer_requests import (
    Acknowledgement,
    Execute,
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


@dataclass(slots=True)
class Queued(Received):
    """A request that waits for its result."""

    result: "asyncio.Future[list[Acknowledgement]]"
    event_count: int


class Writer(ABC):
    """The one writer of the log. `start` it and `submit` to it on an event loop, `stop` it in a thread.

    It groups the requests that wait into one commit. `failure` says why it accepts nothing more.
    """

    def __init__(
        self,
        status: LogStatus,
        clock: Clock,
        queue_events: int,
        publish: Callable[[Sequence[StoredEvent]], None],
    ) -> None:
        """`publish` receives committed events on the event loop."""
        self._status = status
        self._clock = clock
        self._queue_events = queue_events
        self._publish = publish
        self._queued_events = 0
        self._stopping = False
        self._busy_since: int | None = None
        """When the commit began that is not over."""

    @abstractmethod
    def start(self) -> None:
        """Start to commit what is submitted."""

    @abstractmethod
    def stop(self) -> None:
        """Commit everything that is queued, then close the log. Blocks until done."""

    @abstractmethod
    def _enqueue(self, queued: Queued) -> None:
        """Commit a request with the next ones, then `_resolve` it."""

    @property
    def position(self) -> int:
        """Position of the newest durable event."""
        return self._status.position

    @property
    def commits(self) -> int:
        """Number of commits since the start."""
        return self._status.commits

    @property
    def failure(self) -> str | None:
        """Why nothing is accepted until a restart; None if the log accepts events."""
        return self._status.failure

    @property
    def last_error(self) -> str | None:
        """Why the last commit failed, or that it hangs; None if the writer is healthy."""
        busy_since = self._busy_since
        if busy_since is not None and self._clock() - busy_since > SLOW_COMMIT_SECONDS * 1_000_000:
            return f"a commit takes longer than {SLOW_COMMIT_SECONDS} s; check its disk or database"
        return self._status.error

    @property
    def queued_events(self) -> int:
        """Number of events that wait for an acknowledgement."""
        return self._queued_events

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
            raise LogUnavailableError(self.failure or "the API stops; send again")
        count = expected_events(request)
        if self._queued_events + count > self._queue_events and self._queued_events:
            raise LogUnavailableError("the write queue is full; send again in a second")
        result = asyncio.get_running_loop().create_future()
        queued = Queued(request, self._clock(), result, count)
        self._queued_events += count
        self._enqueue(queued)
        return result

    def _resolve(
        self,
        batch: Sequence[Queued],
        results: Sequence[Result],
        events: Sequence[StoredEvent],
        status: LogStatus,
    ) -> None:
        """Give requests their results, on the event loop; publish the events of their commit."""
        self._status = status
        for queued, result in zip(batch, results, strict=True):
            self._queued_events -= queued.event_count
            if queued.result.done():  # the client disconnected; its events are durable anyway
                continue
            if isinstance(result, Exception):
                queued.result.set_exception(result)
            else:
                queued.result.set_result(result)
        try:
            self._publish(events)
        except Exception:  # they are stored: this must not fail the requests after them
            logger.exception("%d events were stored and not published", len(events))
