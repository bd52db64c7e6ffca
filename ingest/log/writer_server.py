"""The writer's end of the socket: commits what the API sends, until the API closes it."""

import logging
import socket
from collections import deque
from collections.abc import Sequence
from itertools import islice

from ingest.events.stored_event import StoredEvent
from ingest.log.committer import Committer, Received, Result
from ingest.log.frames import decode_requests, encode_commit
from ingest.log.framing import FrameReader
from ingest.log.storage.state_reader import DamagedStates, unreadable_states
from ingest.log.writer_requests import expected_events

logger = logging.getLogger(__name__)

RECEIVED_BYTES = 1 << 18
"""Bytes received at once: 256 KiB. If there are as many, there are more."""


class ApiClock:
    """The API's clock, as of the last frame: for an API whose clock is not this machine's."""

    def __init__(self) -> None:
        """Start at 0: no request was received."""
        self.now = 0

    def __call__(self) -> int:
        """Return the time in microseconds."""
        return self.now


class WriterServer:
    """Commits the requests of one API, in their order. In one thread; requests that wait share a commit."""

    def __init__(
        self, connection: socket.socket, committer: Committer, clock: ApiClock, commit_events: int
    ) -> None:
        """`clock` is set by each frame. A commit has at most `commit_events`, or one request."""
        self._connection = connection
        self._committer = committer
        self._clock = clock
        self._commit_events = commit_events
        self._reader = FrameReader()
        self._received = memoryview(bytearray(RECEIVED_BYTES))
        self._waiting: deque[Received] = deque()
        self._is_open = True
        self._reported_states = 0

    def run(self, missed: Sequence[StoredEvent]) -> None:
        """Report that the log is open, with the events that the API does not know; then serve until it is gone."""
        try:
            self._send([], [], missed)
            while batch := self._next_batch():
                waiting = iter(batch)
                for results, events in self._committer.commit(batch):
                    self._send(list(islice(waiting, len(results))), results, events)
        except ConnectionError:
            logger.warning("the API is gone; the commit that it waited for is done")
        finally:
            self._committer.close()

    def _send(
        self,
        requests: Sequence[Received],
        results: Sequence[Result],
        events: Sequence[StoredEvent],
    ) -> None:
        damaged: DamagedStates | None = None
        if unreadable_states.count != self._reported_states:
            self._reported_states = unreadable_states.count
            damaged = DamagedStates(unreadable_states.repaired, unreadable_states.lost)
        status = self._committer.status
        self._connection.sendall(encode_commit(status, requests, results, events, damaged))

    def _next_batch(self) -> list[Received]:
        """Return the requests of the next commit; none at the end."""
        length = RECEIVED_BYTES
        while self._is_open and not self._waiting:
            length = self._receive()
        while length == RECEIVED_BYTES and self._is_open and not self._is_full():
            try:
                length = self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
        return self._take()

    def _is_full(self) -> bool:
        return sum(expected_events(each.request) for each in self._waiting) >= self._commit_events

    def _take(self) -> list[Received]:
        batch: list[Received] = []
        count = 0
        while self._waiting and count < self._commit_events:
            batch.append(self._waiting.popleft())
            count += expected_events(batch[-1].request)
        return batch

    def _receive(self, flags: int = 0) -> int:
        """Receive what was sent during the last commit, or wait for more; return the number of bytes."""
        length = self._connection.recv_into(self._received, RECEIVED_BYTES, flags)
        self._is_open = length > 0
        for content in self._reader.feed(self._received[:length]):
            self._clock.now, requests = decode_requests(content)
            self._waiting.extend(requests)
        return length
