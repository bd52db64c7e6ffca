"""The lock of the log: on SQLite one process writes."""

import fcntl
import time
from typing import IO

from ingest.log.storage.engine import is_multi_writer
from ingest.settings import Settings

LOCK_WAIT_SECONDS = 2.0
"""Time to wait for the lock: the writer of an API that was killed may still be in its last commit."""


class LogLockedError(RuntimeError):
    """Another process writes this log already; on SQLite only one may."""


def acquire_log_lock(settings: Settings) -> IO[str]:
    """Take the lock of the log until the file is closed. The kernel releases it if the process dies.

    Raises LogLockedError. On PostgreSQL the lock is shared: it tells the lake that a process writes.
    """
    path = settings.lock_path
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    kind = fcntl.LOCK_SH if is_multi_writer(settings.database_url) else fcntl.LOCK_EX
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
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
