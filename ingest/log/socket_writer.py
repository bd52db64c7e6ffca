"""A writer at the other end of a socket: what the API's end does, for every kind of process there."""

import asyncio
import logging
import socket
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from sqlalchemy import Dialect

from ingest.clock import Clock
from ingest.errors import LogUnavailableError, OutcomeUnknownError
from ingest.events.stored_event import StoredEvent
from ingest.log import frames, framing
from ingest.log.committer import LogStatus, Result
from ingest.log.storage.compiler import Compiler
from ingest.log.storage.state_reader import unreadable_states
from ingest.log.writer import STOP_TIMEOUT_SECONDS, Queued, Writer

logger = logging.getLogger(__name__)

RESTART_SECONDS = 0.5
"""Minimum time between two starts of the process."""

SOCKET_BYTES = 1 << 22
"""What a socket takes before its sender waits, as far as the kernel allows: 4 MiB, a commit of batches."""

FRAME_EVENTS = 4096
"""Events in one frame, or one request."""


class SocketWriter(Writer):
    """Sends the requests of one turn of the event loop together, and gets their results in the same order.

    If the socket closes, requests without an answer get OutcomeUnknownError: they may be on disk. It is
    opened again, and new requests wait for it; but not after a `failure`, which only a restart of the API ends.
    """

    def __init__(
        self,
        position: int,
        *,
        dialect: Dialect,
        clock: Clock,
        queue_events: int,
        publish: Callable[[Sequence[StoredEvent]], None],
    ) -> None:
        """`position`: the last that the API knows."""
        super().__init__(LogStatus(position), clock, queue_events, publish)
        self._compiler = Compiler(dialect)
        self._task: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None
        self._pending: list[Queued] = []
        self._unanswered: deque[Queued] = deque()
        self._is_flush_due = False
        self._is_open = False

    @abstractmethod
    def _attach(self, theirs: socket.socket) -> bytes:
        """Give the other end of a socket to a writer; return the first frame to it."""

    @abstractmethod
    async def _ended(self) -> str:
        """Wait until the writer of a closed socket has ended, if possible; return what is known of it."""

    def start(self) -> None:
        """Open the socket, and whenever it closes open it again."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Have everything that is queued committed, and wait until the socket is closed."""
        self._stopping = True
        if self._task is None:
            return
        stopped = asyncio.run_coroutine_threadsafe(self._finish(), self._task.get_loop())
        try:
            stopped.result(STOP_TIMEOUT_SECONDS)
        except TimeoutError:
            logger.exception("a commit does not end; its events were not acknowledged")

    async def _finish(self) -> None:
        if self._connection is not None and not self._connection.transport.is_closing():
            self._flush()
            self._connection.transport.write_eof()
        if self._task is not None:
            await asyncio.shield(self._task)

    def _enqueue(self, queued: Queued) -> None:
        self._pending.append(queued)
        if not self._is_flush_due:
            self._is_flush_due = True
            queued.result.get_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send what waits, if there is a process to send it to."""
        self._is_flush_due = False
        if self._connection is None:
            return
        transport = self._connection.transport
        pending, self._pending = self._pending, []  # what cannot be sent now waits again
        part: list[Queued] = []
        count = 0
        for queued in pending:
            if part and count + queued.event_count > FRAME_EVENTS:
                self._send(part, transport)
                part, count = [], 0
            part.append(queued)
            count += queued.event_count
        if part:
            self._send(part, transport)

    def _send(self, part: list[Queued], transport: asyncio.WriteTransport) -> None:
        """Send requests in one frame; if one of them cannot be encoded, each in its own."""
        now = self._clock()
        try:
            frame = frames.encode_requests(part, now, self._compiler)
        except Exception as error:
            if len(part) > 1:
                self._send_alone(part)
                return
            logger.exception("a request cannot be sent to the writer")
            self._resolve(part, [LogUnavailableError(str(error))], [], self._status)
            return
        try:
            transport.write(frame)
        except Exception:  # it is closed, and a new process gets them; uvloop raises RuntimeError
            self._pending.extend(part)
            return
        if self._busy_since is None:
            self._busy_since = now
        self._unanswered.extend(part)

    def disconnect(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            self._connection.transport.close()

    def _on_closed(self, connection: "_Connection") -> None:
        """Send nothing more: the socket has closed."""
        if self._connection is not connection:
            return
        self._connection = None
        self._busy_since = self._clock()  # until the process has ended
        if not self._stopping:
            self._report("the connection to the writer's process closed; it starts again")
        error = "the writer ended before it answered; its last commit may be on disk"
        self._reject(self._unanswered, OutcomeUnknownError(error))

    def _take(self, content: bytes) -> frames.Commit:
        """Resolve the requests that a frame answers; return what it has."""
        commit = frames.decode_commit(content)
        self._is_open = True
        if commit.damaged is not None:
            unreadable_states.add(commit.damaged)
        answered = [(self._unanswered.popleft(), answer) for answer in commit.answers]
        batch = [queued for queued, answer in answered if not answer.has_to_be_alone]
        results = [_result(*each) for each in answered if not each[1].has_to_be_alone]
        self._busy_since = self._clock() if self._unanswered else None
        self._resolve(batch, results, commit.events, commit.status)
        if len(batch) < len(answered):
            self._send_alone([queued for queued, answer in answered if answer.has_to_be_alone])
        return commit

    def _send_alone(self, some: list[Queued]) -> None:
        """Send each of several requests in its own frame."""
        if self._connection is None:  # a new process gets them
            self._pending.extend(some)
            return
        for queued in some:
            self._send([queued], self._connection.transport)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self.failure is None and (self._pending or not self._stopping):
            started = loop.time()
            try:
                await self._serve_once()
            except Exception:
                logger.exception("the writer's process could not be supervised; it starts again")
            await self._pause(started + RESTART_SECONDS - loop.time())

    async def _pause(self, seconds: float) -> None:
        if self.failure is None and not self._stopping:
            await asyncio.sleep(max(0.0, seconds))

    async def _serve_once(self) -> None:
        try:
            what = await self._serve()
        except Exception:
            logger.exception("the writer's process did not start")
            what = "the writer's process did not start"
        self._fail(what)

    async def _serve(self) -> str:
        """Send and receive until the writer's end; return what is known of it."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self._is_open, self._busy_since = False, self._clock()
        _, connection = await loop.create_unix_connection(
            lambda: _Connection(self._take, self._on_closed, loop.create_future()), sock=ours
        )
        try:
            with theirs:
                connection.transport.write(self._attach(theirs))
            self._connection = connection
            self._flush()
            if self._stopping:
                connection.transport.write_eof()
            await connection.closed
        finally:
            connection.transport.close()
        return await self._ended()

    def _fail(self, what: str) -> None:
        """Report the end of the writer. Fail what waits, if no writer can take it."""
        self._busy_since = None
        if not self._stopping:
            self._report(f"{what}; it starts again")
        if self.failure is not None or not self._is_open:
            error = self.failure or "the writer does not start; nothing of this request was stored"
            self._reject(self._pending, LogUnavailableError(error))

    def _report(self, error: str) -> None:
        if self.failure is None:
            logger.error(error)
            self._status = msgspec.structs.replace(self._status, error=error)

    def _reject(self, some: "deque[Queued] | list[Queued]", error: LogUnavailableError) -> None:
        batch = list(some)
        some.clear()
        self._resolve(batch, [error] * len(batch), [], self._status)


def _result(queued: Queued, answer: frames.Answer) -> Result:
    try:
        return frames.take_answer(queued.request, answer)
    except Exception:
        logger.exception("an answer of the writer cannot be read")
        return OutcomeUnknownError("the writer's answer cannot be read")


class _Connection(asyncio.Protocol):
    """The API's end of the socket."""

    transport: asyncio.WriteTransport

    def __init__(
        self,
        take: Callable[[bytes], object],
        disconnect: "Callable[[_Connection], None]",
        closed: "asyncio.Future[None]",
    ) -> None:
        self._take = take
        self._on_closed = disconnect
        self._reader = framing.FrameReader()
        self.closed = closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for content in self._reader.feed(data):
            self._take(content)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_closed(self)  # in this turn of the loop, before the next request is sent
        if not self.closed.done():
            self.closed.set_result(None)
