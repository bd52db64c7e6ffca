"""Requests to the lake process: seal now what the log has, without waiting for its own time."""

import time
from pathlib import Path

POLL_SECONDS = 0.1


def request_path(lake: Path) -> Path:
    """Return the file that requests a seal: create it, and the lake process removes it when the work is done."""
    return lake / "seal.request"


def request_seal(lake: Path, seconds: float) -> bool:
    """Let the lake process seal all events; return whether it did within `seconds`. Safe to repeat.

    False if no lake process runs, or if it cannot seal now: the request stays, and is met later. False as well
    if the lake's folder is missing or may not be written.
    """
    path = request_path(lake)
    try:
        path.touch()
    except OSError:
        return False
    deadline = time.monotonic() + seconds
    while path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
