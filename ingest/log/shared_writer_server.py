"""The writer's end of the sockets of several API processes: commits what they send, until all are gone."""

import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec

from ingest.events.stored_event import StoredEvent
from ingest.log import frames
from ingest.log.committer import Committer, Received, Result
from ingest.log.framing import FrameReader
from ingest.log.shared_writer import BEHIND
from ingest.log.storage.state_reader import DamagedStates, unreadable_states
from ingest.log.writer_requests import Broadcast, expected_events
from ingest.log.writer_server import RECEIVED_BYTES, ApiClock

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1 << 28
"""What the writer keeps for an API process that does not read: 256 MiB, more than a commit has. One that is further
behind is disconnected."""

MAX_MISSED_EVENTS = 20_000
"""Maximum events that an API process may have missed. One that missed more starts again."""

Read = Callable[[int], Sequence[StoredEvent]]
"""Returns the stored events after a position."""


class _Api:
    """The writer's end of the socket of one API process."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.reader = FrameReader()
        self.unsent = bytearray()
        self.max_unsent = MAX_UNSENT_BYTES
        self.unanswered = 0
        self.is_greeted = False
        self.is_too_far_behind = False
        """Whether it was told to start again; what else it sends is ignored."""
        self.has_ended = False
        """Whether it sends nothing more."""

    @property
    def is_done(self) -> bool:
        return self.has_ended and not self.unanswered and not self.unsent

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep what the socket does not take. Raises OSError for one that did not read earlier ones."""
        if len(self.unsent) > self.max_unsent:
            raise ConnectionError("an API process does not read")
        self.unsent += frame
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes."""
        if self.unsent:
            try:
                sent = self.connection.send(self.unsent, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            del self.unsent[:sent]


class SharedWriterServer:
    """Commits the requests of several API processes, those of each in their order. In one thread.

    All requests that wait share a commit. Every process gets the events of every commit, in the order of the log.
    """

    def __init__(
        self,
        entry: socket.socket,
        committer: Committer,
        clock: ApiClock,
        commit_events: int,
        read: Read,
        report: Callable[[str], None],
    ) -> None:
        """Take new sockets from the `entry`. `report` receives why no commit is possible any more, once."""
        self._entry = entry
        self._committer = committer
        self._clock = clock
        self._commit_events = commit_events
        self._read = read
        self._report = report
        self._has_reported = False
        self._damaged_count = 0
        self._received = memoryview(bytearray(RECEIVED_BYTES))
        self._apis: list[_Api] = []
        self._waiting: deque[tuple[_Api, Received]] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(entry, selectors.EVENT_READ)
        self._is_entry_open = True

    def run(self) -> None:
        """Serve until the entry and all sockets are closed."""
        try:
            while self._is_entry_open or self._apis or self._waiting:
                self._receive()
                if self._waiting:
                    self._commit(self._take())
        finally:
            self._committer.close()

    # --- receiving

    def _receive(self) -> None:
        """Receive what was sent during the last commit; wait if nothing is left to commit."""
        for key, ready in self._selector.select(0 if self._waiting else None):
            if key.data is None:
                self._accept()
                continue
            api: _Api = key.data
            try:
                if ready & selectors.EVENT_WRITE:
                    api.flush()
                if ready & selectors.EVENT_READ:
                    self._receive_from(api)
            except OSError:
                self._drop(api)
            else:
                self._watch(api)

    def _accept(self) -> None:
        """Take a new socket, or notice that no API process can send one any more."""
        message, descriptors, _, _ = socket.recv_fds(self._entry, 1, 1)
        for each in descriptors:
            api = _Api(socket.socket(fileno=each))
            self._apis.append(api)
            self._selector.register(api.connection, selectors.EVENT_READ, api)
        if not message:
            self._is_entry_open = False
            self._selector.unregister(self._entry)

    def _receive_from(self, api: _Api) -> None:
        length = api.connection.recv_into(self._received, RECEIVED_BYTES, socket.MSG_DONTWAIT)
        api.has_ended = length == 0
        for content in api.reader.feed(self._received[:length]):
            if api.is_too_far_behind:
                continue
            if not api.is_greeted:
                self._greet(api, frames.decode_greeting(content))
                continue
            self._clock.now, requests = frames.decode_requests(content)
            api.unanswered += len(requests)
            self._waiting.extend((api, each) for each in requests)

    def _greet(self, api: _Api, position: int) -> None:
        """Send the events that an API process does not know. From now on it gets those of every commit.

        One that is too far behind closes the socket itself: it might not read what was sent before a close.
        """
        status = self._committer.status
        if status.position - position > MAX_MISSED_EVENTS:
            status = msgspec.structs.replace(status, failure=BEHIND)
            api.is_too_far_behind = True
            api.send(frames.encode_commit(status, [], [], []))
            return
        found = DamagedStates(unreadable_states.repaired, unreadable_states.lost)
        damaged = found if unreadable_states.count else None
        frame = frames.encode_commit(status, [], [], self._read(position), damaged)
        api.max_unsent += len(frame)  # or an API that reads now would be disconnected
        api.send(frame)
        api.is_greeted = True

    def _watch(self, api: _Api) -> None:
        """Wait for what an API process can do next; forget one that is done."""
        if api.is_done:
            self._drop(api)
            return
        wanted = 0 if api.has_ended else selectors.EVENT_READ
        if api.unsent:
            wanted |= selectors.EVENT_WRITE
        self._set_events(api, wanted)

    def _set_events(self, api: _Api, wanted: int) -> None:
        known = self._selector.get_map().get(api.connection)
        if known is None:
            if wanted:
                self._selector.register(api.connection, wanted, api)
        elif not wanted:
            self._selector.unregister(api.connection)
        elif known.events != wanted:
            self._selector.modify(api.connection, wanted, api)

    def _drop(self, api: _Api) -> None:
        """Close the socket of an API process. The writer still commits its requests."""
        if api in self._apis:
            self._set_events(api, 0)
            self._apis.remove(api)
            api.connection.close()

    # --- committing

    def _take(self) -> list[tuple[_Api, Received]]:
        batch: list[tuple[_Api, Received]] = []
        count = 0
        while self._waiting and count < self._commit_events:
            batch.append(self._waiting.popleft())
            count += expected_events(batch[-1][1].request)
        return batch

    def _commit(self, batch: Sequence[tuple[_Api, Received]]) -> None:
        waiting = iter(batch)
        for results, events in self._committer.commit([received for _, received in batch]):
            self._report_failure()  # first: no other writer may start after it
            self._answer(list(islice(waiting, len(results))), results, events)
        self._report_failure()

    def _report_failure(self) -> None:
        failure = self._committer.status.failure
        if failure is not None and not self._has_reported:
            self._has_reported = True
            self._report(failure)

    def _answer(
        self,
        batch: Sequence[tuple[_Api, Received]],
        results: Sequence[Result],
        events: Sequence[StoredEvent],
    ) -> None:
        """Send every API process its results, and the events and messages of all."""
        rows = frames.encode_events(events)
        status, damaged = self._committer.status, self._new_damaged()
        for api in tuple(self._apis):
            own = [
                (received, result)
                for (sender, received), result in zip(batch, results, strict=True)
                if sender is api
            ]
            messages = [
                received.request.message
                for sender, received in batch
                if isinstance(received.request, Broadcast) and sender is not api
            ]
            if api.is_greeted and (own or messages or events or damaged or status.failure):
                requests, answers = [each for each, _ in own], [each for _, each in own]
                frame = frames.encode_commit(status, requests, answers, rows, damaged, messages)
                api.unanswered -= len(own)
                self._send(api, frame)

    def _send(self, api: _Api, frame: bytes) -> None:
        try:
            api.send(frame)
        except OSError:
            logger.warning("an API process is gone, or does not read what it is sent")
            self._drop(api)
        else:
            self._watch(api)

    def _new_damaged(self) -> DamagedStates | None:
        if unreadable_states.count == self._damaged_count:
            return None
        self._damaged_count = unreadable_states.count
        return DamagedStates(unreadable_states.repaired, unreadable_states.lost)
