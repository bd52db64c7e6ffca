"""The lock of the log: on SQLite one process writes."""

import fcntl
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ingest.log.storage.engine import is_multi_writer
from ingest.settings import Settings

API_WAIT_SECONDS = 2.0
"""Time to wait for another API that ends."""

WRITER_WAIT_SECONDS = 30.0
"""Time to wait for the writer of an API that is gone: a commit on a busy disk may be its last."""


class LogLockedError(RuntimeError):
    """Another process writes this log already; on SQLite only one may."""


class LogLock:
    """The lock of the log, until it is closed. The kernel releases it if the process dies."""

    def __init__(self, *files: IO[str]) -> None:
        """`files`: those locked. The last one is the log's."""
        self._files = files

    def fileno(self) -> int:
        """Return the file that a writer's process inherits: it has the lock of the log as long as it lives."""
        return self._files[-1].fileno()

    def close(self) -> None:
        """Release the lock."""
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        """Return the lock."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock."""
        self.close()


def acquire_log_lock(settings: Settings) -> LogLock:
    """Take the lock of the log. Blocks for API_WAIT_SECONDS at most, or WRITER_WAIT_SECONDS for a writer without API.

    Raises LogLockedError. On PostgreSQL the lock is shared: it tells the lake that a process writes.
    """
    path = settings.lock_path
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_multi_writer(settings.database_url):
        return LogLock(_lock(path, fcntl.LOCK_SH, API_WAIT_SECONDS))
    api = _lock(path.with_name("api.lock"), fcntl.LOCK_EX, API_WAIT_SECONDS)
    try:  # no API runs, so that the writer of one ends soon
        return LogLock(api, _lock(path, fcntl.LOCK_EX, WRITER_WAIT_SECONDS))
    except LogLockedError:
        api.close()
        raise


def _lock(path: Path, kind: int, seconds: float) -> IO[str]:
    file = path.open("a")
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            file.close()
            raise LogLockedError(
                f"another API process writes the log in {path.parent}; stop it first"
            ) from error
        return file
