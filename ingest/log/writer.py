"""Group commit: one thread drains what is queued into one transaction, then acknowledges.

The seam between the API and the log: a list of drafts in (`submit`), one acknowledgement for
each out, in order, once they are on disk. What the queue cannot hold is refused at once with
LogUnavailableError; nothing is ever acknowledged early.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ingest.contract import from_micros
from ingest.errors import EventConflictError, EventRejectedError, IngestError, LogUnavailableError
from ingest.log.folds import Conversation, Draft, Row, admit, receive
from ingest.log.store import Known, Store

logger = logging.getLogger(__name__)

Clock = Callable[[], int]
NewId = Callable[[], str]
Status = Literal["accepted", "duplicate", "conflict", "rejected"]


class Acknowledgement(Struct, kw_only=True, omit_defaults=True):
    """What became of one event. `accepted` and `duplicate` say that it is on disk."""

    status: Status
    event_id: str | None
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    error: IngestError | None = None


@dataclass(slots=True)
class _Request:
    drafts: Sequence[Draft]
    source: str
    received_at: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[list[Acknowledgement]]"


class Writer:
    """The one writer of the log. `start` it, `submit` to it from an event loop, `stop` it.

    After a commit that failed for another reason than lack of space the state on disk is not
    known (after a failed fsync least of all), so the writer stops acknowledging for good;
    `failure` says why, and a restart reads the truth from disk.
    """

    def __init__(
        self,
        store: Store,
        *,
        shard: int,
        session_timeout: int,
        clock: Clock,
        new_id: NewId,
        commit_events: int = 4096,
        queue_events: int = 50_000,
    ) -> None:
        """`session_timeout` and `clock` are in microseconds."""
        self._store = store
        self._shard = shard
        self._session_timeout = session_timeout
        self._clock = clock
        self._new_id = new_id
        self._commit_events = commit_events
        self._queue_events = queue_events
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0
        self._position = store.last_position()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._stopping = False
        self.failure: str | None = None
        self.commits = 0

    @property
    def position(self) -> int:
        """Position of the newest durable event."""
        return self._position

    @property
    def waiting(self) -> int:
        """Events submitted and not yet answered."""
        return self._waiting

    def start(self) -> None:
        """Begin to take events."""
        self._thread.start()

    def stop(self) -> None:
        """Answer all that was submitted, then close the store. Blocks until done."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join()
        self._store.close()

    def submit(
        self, drafts: Sequence[Draft], source: str
    ) -> "asyncio.Future[list[Acknowledgement]]":
        """Queue `drafts` for the next commit; the future is done when they are on disk.

        Raises LogUnavailableError if the queue is full or the writer failed or stops.
        """
        if self.failure is not None or self._stopping:
            raise LogUnavailableError("the log does not take events now; /readyz says why")
        if self._waiting + len(drafts) > self._queue_events and self._waiting:
            raise LogUnavailableError(
                "too many events are waiting for the disk; send again in a second"
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Acknowledgement]] = loop.create_future()
        self._waiting += len(drafts)
        answer.add_done_callback(lambda _: self._done(len(drafts)))
        self._queue.put(_Request(drafts, source, self._clock(), loop, answer))
        return answer

    def _done(self, count: int) -> None:
        self._waiting -= count

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
        count = len(first.drafts)
        while count < self._commit_events:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                return requests, True
            requests.append(request)
            count += len(request.drafts)
        return requests, False

    def _serve(self, requests: list[_Request]) -> None:
        try:
            answers: list[list[Acknowledgement]] | LogUnavailableError = self._commit(requests)
        except Exception as error:
            answers = self._give_up(error)
        loop = requests[0].loop
        loop.call_soon_threadsafe(_answer, requests, answers)

    def _give_up(self, error: Exception) -> LogUnavailableError:
        logger.error("a commit of the log failed", exc_info=error)
        if self.failure is None and "disk is full" not in str(error):
            self.failure = (
                f"a commit failed ({type(error).__name__}); restart to read the truth from disk"
            )
        try:
            self._store.rollback()
        except Exception:
            logger.exception("the rollback failed too")
        return LogUnavailableError("the commit failed; nothing of this request was acknowledged")

    def _commit(self, requests: list[_Request]) -> list[list[Acknowledgement]]:
        if self.failure is not None:
            raise LogUnavailableError(self.failure)
        batch = _Batch(self._store, requests, self._session_timeout, self._new_id)
        answers = [[batch.take(draft, request) for draft in request.drafts] for request in requests]
        position = self._position
        committed_at = self._clock()
        for row in batch.rows:
            position += 1
            row.shard = self._shard
            row.position = position
            row.committed_at = committed_at
        batch.save()
        self._store.commit()
        self._position = position
        self.commits += 1
        return answers


class _Batch:
    """The events of one commit, decided one after the other against state and each other."""

    def __init__(
        self, store: Store, requests: list[_Request], session_timeout: int, new_id: NewId
    ) -> None:
        drafts = [draft for request in requests for draft in request.drafts]
        ids = {draft.event_id for draft in drafts if draft.event_id is not None}
        keys = {draft.conversation_id for draft in drafts if draft.conversation_id is not None}
        self._store = store
        self._known = store.find_events(sorted(ids))
        self._states = store.find_conversations(sorted(keys))
        self._new: set[str] = set()
        self._touched: dict[str, Conversation] = {}
        self._created: list[tuple[Conversation, Row]] = []
        self._session_timeout = session_timeout
        self._new_id = new_id
        self.rows: list[Row] = []

    def take(self, draft: Draft, request: _Request) -> Acknowledgement:
        """Decide one draft."""
        event_id = draft.event_id or self._new_id()
        row = receive(draft, request.source, request.received_at, event_id)
        known = self._known.get((row.source, row.event_id))
        if known is not None:
            return _again(row, known)
        try:
            self._admit(draft, row)
        except EventRejectedError as error:
            return Acknowledgement(status="rejected", event_id=draft.event_id, error=error)
        known = Known(
            row.conversation_id,
            row.sequence,
            row.session_id,
            row.message_id,
            row.received_at,
            row.fingerprint,
        )
        self._known[row.source, row.event_id] = known
        return _acknowledge("accepted", row.event_id, known)

    def save(self) -> None:
        """Hand everything to the store, without committing."""
        for state, row in self._created:
            state.created_position = row.position
        self._store.add_events(self.rows)
        self._store.save_conversations(list(self._touched.values()), self._new)

    def _admit(self, draft: Draft, row: Row) -> None:
        before = self._states.get(draft.conversation_id or "")
        rows, state = admit(draft, row, before, self._session_timeout)
        self.rows += rows
        if state is None:
            return
        self._touched[state.conversation_id] = state
        if before is None:
            self._states[state.conversation_id] = state
            self._new.add(state.conversation_id)
            self._created.append((state, row))


def _again(row: Row, known: Known) -> Acknowledgement:
    if known.fingerprint == row.fingerprint:
        return _acknowledge("duplicate", row.event_id, known)
    error = EventConflictError(
        "an event with this id and other content was accepted before; it stands", "$.event_id"
    )
    return Acknowledgement(status="conflict", event_id=row.event_id, error=error)


def _acknowledge(status: Status, event_id: str, known: Known) -> Acknowledgement:
    return Acknowledgement(
        status=status,
        event_id=event_id,
        conversation_id=known.conversation_id,
        sequence=known.sequence,
        session_id=known.session_id,
        message_id=known.message_id,
        received_at=from_micros(known.received_at),
    )


def _answer(
    requests: list[_Request], answers: list[list[Acknowledgement]] | LogUnavailableError
) -> None:
    for number, request in enumerate(requests):
        if request.answer.done():  # the client went away; its events are durable all the same
            continue
        if isinstance(answers, LogUnavailableError):
            request.answer.set_exception(answers)
        else:
            request.answer.set_result(answers[number])
