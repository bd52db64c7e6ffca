"""One of several API processes: `python -m ingest.api.worker_process NUMBER PARENT ENTRY LISTENER…`. The group starts it."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from ingest.api.api_process import LOG_FORMAT, serve_api
from ingest.api.log_access import Seat
from ingest.settings import Settings


def main(number: int, parent: int, entry: int, listeners: Sequence[int]) -> bool:
    """Serve on inherited sockets until a signal, or until the group is gone; return whether it started."""
    logging.basicConfig(level=logging.INFO, format=f"worker {number} {LOG_FORMAT}")
    _stop_with(socket.socket(fileno=parent))
    seat = Seat(number, socket.socket(fileno=entry))
    return serve_api(Settings(), seat, [socket.socket(fileno=each) for each in listeners])


def _stop_with(parent: socket.socket) -> None:
    """Stop this process, as SIGTERM does, when the other end of a socket is closed: its process has ended."""

    def wait() -> None:
        parent.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    first, second, third, *others = map(int, sys.argv[1:])
    sys.exit(0 if main(first, second, third, others) else 3)
