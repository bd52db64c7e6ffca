"""The other API processes that share this one's writer."""

import asyncio
import fcntl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ingest.cluster.peers import Work
from ingest.events.stored_event import StoredEvent
from ingest.log.shared_writer import SharedWriter

POLL_SECONDS = 0.5
"""Interval of attempts to take the lock of the leader."""


class Workers:
    """Gets everything from the writer: it sends each process all commits in order, and the messages of the others."""

    def __init__(
        self,
        writer: SharedWriter,
        publish: Callable[[Sequence[StoredEvent]], None],
        lock_path: Path,
    ) -> None:
        """`publish` receives events; the leader holds the lock of `lock_path`."""
        self._writer = writer
        self.on_commit = publish
        self._lock_path = lock_path

    async def broadcast(self, message: dict[str, Any]) -> None:
        """Send a message to every other process; it is not stored."""
        self._writer.broadcast(message)

    async def run(self) -> None:
        """Do nothing until cancelled: the writer sends its frames unasked."""
        await asyncio.Event().wait()

    async def lead(self, work: Work) -> None:
        """Run a task while no other process does. The kernel releases the lock of a process that dies."""
        with self._lock_path.open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                await work()
                return
