"""Who may write to a lake folder: one process at a time, held by a kernel lock."""

import fcntl
import time
from pathlib import Path
from typing import IO


class LakeLockedError(RuntimeError):
    """Another process seals this lake already."""


class LakeBehindError(RuntimeError):
    """The lake process runs but does not seal; its log says why."""


def take_lock(path: Path, seconds: float = 0.0) -> IO[str]:
    """Take the lock until the file is closed. Raises LakeLockedError after `seconds`."""
    file = path.open("a")
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() >= deadline:
                file.close()
                raise LakeLockedError(
                    f"another process seals {path.parent}; stop it first"
                ) from error
            time.sleep(0.05)
        else:
            return file
