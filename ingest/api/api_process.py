"""What an API process does: it serves until a signal. Several of them are workers of a group."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ingest.garbage import rare_collections
from ingest.settings import Settings

if TYPE_CHECKING:
    import socket

    from ingest.api.log_access import Seat

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

GROUP_COMMAND = [sys.executable, "-P", "-m", "ingest.api.worker_group"]
WORKER_COMMAND = [sys.executable, "-P", "-m", "ingest.api.worker_process"]
"""`-P`: a file in the current folder must not be imported in place of a module."""


def serve_api(
    settings: Settings,
    seat: "Seat | None" = None,
    listeners: "list[socket.socket] | None" = None,
) -> bool:
    """Serve until a signal; return whether the API started.

    `seat`: its place among the workers; `listeners`: the sockets that it inherits instead of listening itself.
    """
    from ingest.api.app import create_app
    from ingest.api.middleware import FastPathMiddleware
    from ingest.api.server import ApiServer, raise_open_file_limit, uvicorn_config

    application = FastPathMiddleware(create_app(settings, seat=seat))
    raise_open_file_limit()
    config = uvicorn_config(application, host=settings.host, port=settings.port)
    server = ApiServer(config, application.stop_waiting)
    # Objects of the start-up are never freed: scanning them took a fifth of the time at 64 connections.
    with suppress(KeyboardInterrupt), rare_collections():
        server.run(listeners)
    return server.started
