"""Open connections by origin, used again. Taking one costs the same, however many there are.

The pool of httpcore looks at every connection for every request, which is too slow for many parallel ones.
"""

from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore2

KEEPALIVE_SECONDS = 20.0
"""Time after which an idle connection is not used again."""

MAX_IDLE = 64
"""Maximum idle connections to one origin; the others are closed."""


class Connections:
    """Connections that carry one request at a time. Close them at the end."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend) -> None:
        """Connect with `backend`."""
        self._backend = backend
        self._idle: defaultdict[str, deque[httpcore2.AsyncHTTPConnection]] = defaultdict(deque)

    async def close(self) -> None:
        """Close every idle connection."""
        for connections in self._idle.values():
            while connections:
                await connections.pop().aclose()

    @asynccontextmanager
    async def stream(self, request: httpcore2.Request) -> AsyncIterator[httpcore2.Response]:
        """Send a request, and yield the response, whose body is not read yet."""
        connection = await self._take(request.url.origin)
        try:
            response = await connection.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except BaseException:
            await connection.aclose()
            raise
        await self._give_back(request.url.origin, connection)

    async def _take(self, origin: httpcore2.Origin) -> httpcore2.AsyncHTTPConnection:
        """Return the idle connection that was used last, or a new one."""
        idle = self._idle[str(origin)]
        while idle:
            connection = idle.pop()
            if connection.is_idle() and not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore2.AsyncHTTPConnection(
            origin, keepalive_expiry=KEEPALIVE_SECONDS, network_backend=self._backend
        )

    async def _give_back(
        self, origin: httpcore2.Origin, connection: httpcore2.AsyncHTTPConnection
    ) -> None:
        """Keep a connection that can be used again; close the one that was idle longest instead."""
        if not connection.is_idle():
            await connection.aclose()
            return
        idle = self._idle[str(origin)]
        idle.append(connection)
        if len(idle) > MAX_IDLE:
            await idle.popleft().aclose()
