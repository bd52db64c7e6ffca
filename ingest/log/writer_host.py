"""Keeps the one writer of several API processes running."""

import asyncio
import logging
import pickle
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from ingest.log import framing
from ingest.log.process_writer import WriterStart, start_process
from ingest.log.socket_writer import RESTART_SECONDS

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""Time that the writer has to end after the last API process: they waited for its commits."""


class WriterHost:
    """Starts the writer's process, and starts it again if it ends; but not after a failed flush.

    API processes inherit the `entry`, and send sockets to the writer with it. These wait while none runs.
    """

    def __init__(self, start: WriterStart, command: Sequence[str], inherits: Sequence[int]) -> None:
        """`command` gets the numbers of two sockets; it `inherits` open files: the log's lock."""
        self._start = start
        self._command = command
        self._inherits = inherits
        self.entry, self._accepting = socket.socketpair()
        for each in (self.entry, self._accepting):
            each.setblocking(
                False
            )  # in all processes: `recv_fds` and `send_fds` ignore their flags
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and whenever it ends start it again."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Wait until the process has ended: it does when the API processes are gone. Leave one that hangs."""
        self._is_stopping = True
        self.entry.close()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)
            if not self._task.done():
                logger.error("a commit does not end; its events were not acknowledged")
                self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        has_failed = False
        while not (has_failed or self._is_stopping):
            started = loop.time()
            try:
                has_failed = await self._serve()
            except Exception:
                logger.exception("the writer's process did not start")
                self._reject_waiting()
            if not (has_failed or self._is_stopping):
                await asyncio.sleep(max(0.0, started + RESTART_SECONDS - loop.time()))
        self._accepting.close()

    async def _serve(self) -> bool:
        """Run the process until its end; return whether no other may be started."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                accepting = self._accepting.fileno()
                self.process = start_process(
                    self._command, [theirs.fileno(), accepting], self._inherits
                )
            ours.sendall(framing.frame(pickle.dumps(self._start)))
            reports = await _receive_reports(ours)
        code = await asyncio.to_thread(self.process.wait)
        if not self._is_stopping:
            logger.error("the writer's process ended (%d)", code)
        if not reports:
            self._reject_waiting()
        return len(reports) > 1

    def _reject_waiting(self) -> None:
        """Close the sockets that wait for a writer: none could take them."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._accepting, 1, 1)
            except BlockingIOError:
                return
            for each in descriptors:
                socket.close(each)
            if not descriptors:
                return


async def _receive_reports(connection: socket.socket) -> list[bytes]:
    """Return what the process reported until its end: that the log is open, and perhaps why it failed."""
    connection.setblocking(False)
    loop, reader = asyncio.get_running_loop(), framing.FrameReader()
    found: list[bytes] = []
    with suppress(OSError):
        while data := await loop.sock_recv(connection, 1 << 16):
            found += reader.feed(data)
    return found
