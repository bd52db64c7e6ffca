"""One of several API processes: `python -m ingest.api.worker_process NUMBER PARENT ENTRY`. The group starts it."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from ingest.api.api_process import CANNOT_START, LOG_FORMAT, bind_shared, serve_api
from ingest.api.log_access import Seat
from ingest.settings import Settings

KILL_SECONDS = 10.0
"""Time to stop in after the end of the group. The next group waits longer for the log: WRITER_WAIT_SECONDS."""


def main(number: int, parent: int, entry: int) -> bool:
    """Serve until a signal, or until the group is gone; return whether it started. Two sockets are inherited."""
    logging.basicConfig(level=logging.INFO, format=f"worker {number} {LOG_FORMAT}")
    group = socket.socket(fileno=parent)
    _stop_with(group)
    seat, settings = Seat(number, socket.socket(fileno=entry), group), Settings()
    return serve_api(settings, seat, bind_shared(settings.host, settings.port))


def _stop_with(group: socket.socket) -> None:
    """Stop this process, as SIGTERM does, when the other end of a socket is closed: its process has ended.

    Kill it if it hangs: it keeps the writer, and with it the lock of the log, from the next group.
    """

    def wait() -> None:
        with suppress(OSError):  # reset, if it ended before it read all beats
            group.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(KILL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:])) else CANNOT_START)
