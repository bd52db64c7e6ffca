"""A writer that commits in a process of its own, which is started again if it ends."""

import asyncio
import dataclasses
import pickle
import signal
import socket
import subprocess
from collections.abc import Sequence
from typing import Any

from ingest.log import framing
from ingest.log.socket_writer import SocketWriter
from ingest.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class WriterStart:
    """What the process gets first. `after`: the last position that the API knows.

    `writer_id` names it in the notifications of its commits, on PostgreSQL.
    """

    settings: Settings
    after: int
    has_wall_clock: bool
    writer_id: str | None = None


class ProcessWriter(SocketWriter):
    """Starts the writer's process, and starts it again if it ends.

    If this process ends, the other finishes its commit, and ends too.
    """

    def __init__(
        self, start: WriterStart, *, command: Sequence[str], inherits: Sequence[int], **common: Any
    ) -> None:
        """`command` gets the number of its socket as last argument. It `inherits` open files: the log's lock."""
        super().__init__(start.after, **common)
        self._start = start
        self._command = command
        self._inherits = inherits
        self.process: subprocess.Popen[bytes] | None = None

    def _attach(self, theirs: socket.socket) -> bytes:
        self.process = start_process(self._command, [theirs.fileno()], self._inherits)
        start = dataclasses.replace(self._start, after=self.position)
        return framing.frame(pickle.dumps(start))

    async def _ended(self) -> str:
        if self.process is None:
            return "the writer's process did not start"
        code = await asyncio.get_running_loop().run_in_executor(None, self.process.wait)
        return f"the writer's process ended ({code})"


def start_process(
    command: Sequence[str], arguments: Sequence[int], inherits: Sequence[int]
) -> "subprocess.Popen[bytes]":
    """Start a writer's process; it gets the numbers of open files as `arguments`.

    Signals are blocked in it, so that none ends it before it ignores them.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return subprocess.Popen(  # noqa: S603 (our own command)
            [*command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            pass_fds=[*arguments, *inherits],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
