"""What an API process does: it serves until a signal. Several of them are workers of a group."""

import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ingest.garbage import rare_collections
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.api.log_access import Seat

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

CANNOT_START = 3
"""Exit code of an API that does not start, and of a group whose workers do not."""

GROUP_COMMAND = [sys.executable, "-P", "-m", "ingest.api.worker_group"]
WORKER_COMMAND = [sys.executable, "-P", "-m", "ingest.api.worker_process"]
"""`-P`: a file in the current folder must not be imported in place of a module."""


def bind_shared(host: str, port: int, *options: int) -> list[socket.socket]:
    """Return a socket for each address of a host, bound so that other processes may listen there too.

    It gets no connection before it listens: a server does that when it has started. `options` replace the usual
    ones of the socket.
    """
    addresses = find_addresses(host, port)
    return [_bind(family, address, options or SHARED) for family, address in addresses]


def find_addresses(host: str, port: int) -> Iterable[tuple[int, Any]]:
    """Return the family and the address of each socket that listens for a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return dict.fromkeys((each[0], each[4]) for each in found)


SHARED = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)


def _bind(family: int, address: Any, options: Iterable[int]) -> socket.socket:
    bound = socket.socket(family)
    for each in options:
        bound.setsockopt(socket.SOL_SOCKET, each, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(address)
    return bound


def serve_api(
    settings: Settings,
    seat: "Seat | None" = None,
    listeners: list[socket.socket] | None = None,
) -> bool:
    """Serve until a signal; return whether the API started.

    `seat`: its place among the workers; `listeners`: its sockets, if the settings do not say it all.
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
