"""Counts the events that one commit received by their results, and keeps rejected events and what requests record."""

from collections import defaultdict
from collections.abc import Sequence

from ingest.errors import IngestError
from ingest.log.records import IngestCounters, RejectedEvent
from ingest.log.storage.statements import Bound
from ingest.log.storage.store import Store
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent

MAX_RAW_BYTES = 256 * 1024
"""Maximum bytes of a rejected event that the log keeps: the maximum size of an event."""


class IngestStats:
    """The counters, rejected events, replays and records of one commit."""

    def __init__(self, store: Store) -> None:
        """Start at zero."""
        self._store = store
        self._counters: defaultdict[str, IngestCounters] = defaultdict(IngestCounters)
        self._rejected: list[RejectedEvent] = []
        self._replayed: list[tuple[int, str]] = []
        self._records: list[Bound] = []

    def count_received(self, request: Append) -> None:
        """Count the events of a request."""
        self._counters[request.source].received += request.received

    def count_generated(self, source: str, count: int) -> None:
        """Count events that the server generated."""
        if count:
            self._counters[source].generated += count

    def record(self, request: Append, results: Sequence[Acknowledgement], received_at: int) -> None:
        """Count the results of a request's events, and keep those rejected and what the request records of them."""
        if request.record is not None:
            self._records.append(request.record(results))
        counters = self._counters[request.source]
        for incoming, result in zip(request.events, results, strict=True):
            counters.count(result.status)
            if result.error is not None:
                self._rejected.append(_rejected_event(incoming, result.error, request, received_at))
            elif request.replay_of is not None:
                self._replayed.append((request.replay_of, result.event_id or ""))

    def record_unparked(self, source: str) -> None:
        """Count that a parked event of `source` was released."""
        self._counters[source].parked -= 1

    def save(self, received_at: int) -> None:
        """Write everything to the store."""
        self._store.add_counters(self._counters)
        self._store.execute_all(self._records)
        if self._rejected:
            self._store.add_rejected_events(self._rejected)
        if self._replayed:
            self._store.mark_replayed(self._replayed, received_at)


def _rejected_event(
    incoming: IncomingEvent, error: IngestError, request: Append, received_at: int
) -> RejectedEvent:
    draft_id = None if incoming.draft is None else incoming.draft.event_id
    return RejectedEvent(
        received_at=received_at,
        source=request.source,
        path=request.path,
        code=error.code,
        detail=error.detail,
        field=error.field,
        size=len(incoming.raw),
        raw=incoming.raw[:MAX_RAW_BYTES],
        event_id=incoming.event_id or draft_id,
    )
