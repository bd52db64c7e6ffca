"""Several API processes that share a port and the writer of a log in SQLite: starts them and keeps them running.

`python -m ingest.api.worker_group` is such a group; `convolake api` becomes it.
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from ingest.api import log_access
from ingest.api.api_process import (
    CANNOT_START,
    LOG_FORMAT,
    SHARED,
    WORKER_COMMAND,
    bind_shared,
    find_addresses,
)
from ingest.api.heartbeat import wait_until_it_hangs
from ingest.api.log_access import LogBehindLakeError, prepare_store
from ingest.log.process_writer import WriterStart
from ingest.log.storage.lock import LogLockedError, acquire_log_lock
from ingest.log.writer import STOP_TIMEOUT_SECONDS
from ingest.log.writer_host import WriterHost
from ingest.settings import Settings

logger = logging.getLogger(__name__)

RESTART_SECONDS = 0.5
"""Minimum time between two starts of one worker."""

ADDRESS_WAIT_SECONDS = 1.0
"""Time to wait for the last worker of a group that was killed: the kernel closes its sockets one after the other."""

FAILED_STARTS = 5
FAILED_STARTS_SECONDS = 60.0
"""After this number of workers that failed within this time, the group ends: they would never start."""


def run_workers(settings: Settings) -> int:
    """Run the workers until SIGTERM or SIGINT; return the exit code.

    Raises OSError if an address is in use, LogLockedError, LogBehindLakeError.
    """
    with acquire_log_lock(settings) as lock, ExitStack() as stack:
        store = prepare_store(settings)
        store.close()
        store.engine.dispose()
        for each in reserve_addresses(settings.host, settings.port):
            stack.enter_context(each)
        start = WriterStart(settings, 0, has_wall_clock=True)
        host = WriterHost(start, log_access.WRITER_COMMAND, [lock.fileno()])
        return asyncio.run(WorkerGroup(host, settings.workers, WORKER_COMMAND).run())


def reserve_addresses(host: str, port: int) -> list[socket.socket]:
    """Return sockets that keep the addresses of a host for the workers. They do not listen.

    Raises OSError if one is in use for ADDRESS_WAIT_SECONDS: a worker could share it with another program, and
    not notice. Without SO_REUSEADDR a server of another program cannot listen here before the workers do. But
    connections that an earlier server closed keep such a socket away for a minute; then it gets that option.
    """
    deadline = time.monotonic() + ADDRESS_WAIT_SECONDS
    while True:
        is_late = time.monotonic() > deadline
        try:
            for family, address in find_addresses(host, port):
                socket.create_server(address, family=family).close()
            return bind_shared(host, port, *(SHARED if is_late else [socket.SO_REUSEPORT]))
        except OSError:
            if is_late:
                raise
        time.sleep(0.05)


class WorkerGroup:
    """Starts the writer and the workers, and starts again what ends. Lives on the event loop of its process."""

    def __init__(
        self,
        host: WriterHost,
        workers: int,
        command: Sequence[str],
    ) -> None:
        """`host` keeps the writer. `command` gets a worker's number and two sockets."""
        self._host = host
        self._workers = workers
        self._command = command
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._failed_starts: deque[float] = deque()
        self._is_stopping = False
        self._exit_code = 0

    async def run(self) -> int:
        """Serve until a signal; return the exit code. The writer ends when all workers have."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        self._host.start()
        async with asyncio.TaskGroup() as tasks:
            for each in range(1, self._workers + 1):
                tasks.create_task(self._keep(each))
        await self._host.stop()
        return self._exit_code

    def _stop(self) -> None:
        """Tell all workers to finish their requests; kill those that never do."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(STOP_TIMEOUT_SECONDS, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, number: int) -> None:
        """Run one worker, and start it again when it ends."""
        while not self._is_stopping:
            started = time.monotonic()
            try:
                code = await self._run_once(number)
            except OSError:
                logger.exception("worker %d cannot be started", number)
                code = CANNOT_START
            if self._is_stopping:
                return
            logger.error("worker %d ended (%d); it starts again", number, code)
            if code > 0:
                self._note_failed_start()
            await asyncio.sleep(max(0.0, started + RESTART_SECONDS - time.monotonic()))

    async def _run_once(self, number: int) -> int:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                files = [theirs.fileno(), self._host.entry.fileno()]
                process = await asyncio.create_subprocess_exec(
                    *self._command, str(number), *map(str, files), pass_fds=files
                )
            self._processes[number] = process
            if self._is_stopping:
                self._signal(signal.SIGTERM)
            watch = asyncio.create_task(self._kill_if_it_hangs(number, process, ours))
            try:
                return await process.wait()
            finally:
                watch.cancel()

    async def _kill_if_it_hangs(
        self, number: int, process: asyncio.subprocess.Process, connection: socket.socket
    ) -> None:
        """Kill a worker whose event loop does nothing: clients wait for it, and perhaps deliveries."""
        await wait_until_it_hangs(connection)
        if not self._is_stopping:
            logger.error("worker %d hangs and is killed", number)
            process.kill()

    def _note_failed_start(self) -> None:
        """End the group if workers cannot start: its parent has to know."""
        now = time.monotonic()
        self._failed_starts.append(now)
        while self._failed_starts[0] < now - FAILED_STARTS_SECONDS:
            self._failed_starts.popleft()
        if len(self._failed_starts) >= FAILED_STARTS:
            logger.error("the workers do not start")
            self._exit_code = CANNOT_START
            self._stop()


def main() -> int:
    """Run the workers that the settings want; return the exit code. An expected error is one line."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    try:
        return run_workers(Settings())
    except (OSError, LogLockedError, LogBehindLakeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
