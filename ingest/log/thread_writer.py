"""A writer that commits in a thread of this process."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from ingest.clock import Clock, NewId
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.committer import Committer
from ingest.log.deferred_appends import Build
from ingest.log.storage.store import Store
from ingest.log.writer import STOP_TIMEOUT_SECONDS, Queued, Writer

logger = logging.getLogger(__name__)


class ThreadWriter(Writer):
    """Drains the queue into one transaction after the other, in a thread."""

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
        builders: Mapping[str, Build] | None = None,
    ) -> None:
        """Open the log at its last position. `builders` build deferred appends."""
        self._committer = Committer(
            store, shard=shard, policy=policy, clock=clock, new_id=new_id, builders=builders or {}
        )
        super().__init__(self._committer.status, clock, queue_events, publish)
        self._commit_events = commit_events
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Commit everything that is queued, then close the store. Blocks until done."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.error("a commit does not end; its events were not acknowledged")
            return
        self._committer.close()

    def _enqueue(self, queued: Queued) -> None:
        self._queue.put(queued)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            first = self._queue.get()
            if first is None:
                return
            batch, is_last = self._drain(first)
            self._commit(batch)

    def _drain(self, first: Queued) -> tuple[list[Queued], bool]:
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

    def _commit(self, batch: Sequence[Queued]) -> None:
        loop = batch[0].result.get_loop()
        self._busy_since = self._clock()
        waiting = iter(batch)
        for results, events in self._committer.commit(batch):
            done = list(islice(waiting, len(results)))
            status = self._committer.status
            loop.call_soon_threadsafe(self._resolve, done, results, events, status)
        self._busy_since = None
