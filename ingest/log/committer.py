"""Commits requests to the log: what every writer does, whichever thread or process it runs in."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import Struct

from ingest.clock import Clock, NewId
from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.deferred_appends import Builders, build_appends
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
)

logger = logging.getLogger(__name__)

Result = list[Acknowledgement] | Exception
"""What a request gets: an acknowledgement for each event, or why nothing of it was committed."""


@dataclass(slots=True)
class Received:
    """A request, and when it was received, in microseconds."""

    request: WriterRequest
    received_at: int


class LogStatus(Struct, frozen=True, array_like=True):
    """Where the log is, and what is wrong with it.

    `failure`: why the writer accepts nothing until a restart. `error`: why the last commit failed.
    """

    position: int
    commits: int = 0
    failure: str | None = None
    error: str | None = None


class Committer:
    """Commits requests in groups. One thread uses it.

    An error before the commit is rolled back, and so is a commit that found a full disk or a locked file.
    After any other failed commit to SQLite the state on disk is unknown (above all after a failed fsync),
    so nothing is acknowledged any more; `status` has the reason, and a restart reads the disk. A
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
        builders: Builders,
    ) -> None:
        """Open the log at its last position. `clock` gives microseconds; `builders` build deferred appends."""
        self._store = store
        self._shard = shard
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._builders = builders
        self._position = store.last_position()
        self._commits = 0
        self._failure: str | None = None
        self._error: str | None = None
        self._committing = False

    @property
    def status(self) -> LogStatus:
        """Where the log is now."""
        return LogStatus(self._position, self._commits, self._failure, self._error)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def commit(
        self, batch: Sequence[Received]
    ) -> Iterator[tuple[Sequence[Result], Sequence[StoredEvent]]]:
        """Commit requests; yield the results of the first ones, in order, and the events they put on disk.

        There is one commit, or one for each request if the common one fails: one request may be at fault,
        and must not fail the others.
        """
        try:
            committed = self._commit(batch)
        except Exception as error:
            result = self._handle_failure(error)
            # If the connection is lost, all may be on disk: only their clients may send them again.
            if len(batch) > 1 and self._failure is None and not self._store.is_disconnected:
                for each in batch:
                    yield from self.commit([each])
                return
            committed = [result] * len(batch), []
        yield committed

    def _handle_failure(self, error: Exception) -> LogUnavailableError:
        if self._failure is not None:
            return LogUnavailableError(self._failure)
        logger.error("a commit of the log failed", exc_info=error)
        kind = type(error).__name__
        if self._store.is_fatal(error, is_committing=self._committing):
            self._failure = f"a commit failed ({kind}); restart to read the truth from disk"
        self._error = f"the last commit failed ({kind}); the writer retries"
        try:
            self._store.rollback()
        except Exception:
            logger.exception("the rollback failed too")
        if self._failure is not None or self._store.is_disconnected:
            return OutcomeUnknownError("the commit failed, and may be on disk")
        return LogUnavailableError("the commit failed; nothing of this request was stored")

    def _commit(self, batch: Sequence[Received]) -> tuple[Sequence[Result], list[StoredEvent]]:
        if self._failure is not None:
            raise LogUnavailableError(self._failure)
        self._committing = False
        requests = build_appends([each.request for each in batch], self._builders, self._store)
        self._position = self._store.begin(self._position)
        work, results = self._process(batch, requests)
        committed_at = self._clock()
        position = self._assign_positions(work.events, committed_at)
        work.save(committed_at)
        self._committing = True
        self._store.commit()
        self._position = position
        self._error = None
        self._commits += 1
        return results, work.events

    def _process(
        self, batch: Sequence[Received], requests: Sequence[WriterRequest | Exception]
    ) -> tuple[UnitOfWork, list[Result]]:
        """Decide all appends of a batch, then run its other requests."""
        appends = [each for each in requests if isinstance(each, Append)]
        work = UnitOfWork(self._store, appends, self._policy)
        results: list[Result] = []
        for received, request in zip(batch, requests, strict=True):
            if isinstance(request, Append):
                new_ids = self._new_ids(request)
                results.append(work.append(request, received.received_at, new_ids))
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
