"""Serves the API with uvicorn, and adds the time-outs that uvicorn lacks."""

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ingest.api.batching_transport import BatchingTransport
from ingest.delivery.live.protocol import (
    MAX_CLIENT_FRAME_BYTES,
    PING_SECONDS,
    STALLED_SECONDS,
    CloseCode,
)

HEADER_TIMEOUT_SECONDS = 10.0
BODY_TIMEOUT_SECONDS = 60.0
"""Time-outs of the head and of the body of a request: 10 s and 60 s. 8 MiB in 60 s is 1.1 Mbit/s."""


class TimeoutHttpProtocol(HttpToolsProtocol):
    """HTTP with time-outs for slow requests.

    One timer for each connection checks at an interval, so a request costs no timer.
    """

    _timer: asyncio.TimerHandle | None = None
    _deadline: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time-out of the head."""
        super().connection_made(BatchingTransport(transport, self.loop))  # type: ignore[arg-type]
        self._deadline = self.loop.time() + HEADER_TIMEOUT_SECONDS
        self._check_deadline()

    def on_message_begin(self) -> None:
        """Restart the time-out of the head."""
        super().on_message_begin()
        self._deadline = self.loop.time() + HEADER_TIMEOUT_SECONDS

    def on_headers_complete(self) -> None:
        """Start the time-out of the body."""
        super().on_headers_complete()
        self._deadline = self.loop.time() + BODY_TIMEOUT_SECONDS

    def on_message_complete(self) -> None:
        """Stop the time-out: uvicorn closes idle connections."""
        super().on_message_complete()
        self._deadline = None

    def handle_websocket_upgrade(self) -> None:
        """Stop the time-out: the socket has its own pings."""
        self._cancel_timer()
        self.transport = cast("BatchingTransport", self.transport).transport
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._cancel_timer()
        super().connection_lost(exc)

    def _check_deadline(self) -> None:
        if self._deadline is not None and self._deadline <= self.loop.time():
            self.transport.write(_TOO_SLOW)
            self.transport.close()
        else:
            self._timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS / 4, self._check_deadline)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


CLIENT_DISCONNECTED = "convolake.is_gone"
"""Key in a socket's scope: a function that returns whether the client has disconnected. ASGI reports that only to a reader."""


class ReceiveQueue:
    """What a client sends on its socket, for one reader. An `asyncio.Queue` needs 3 KB more, and thousands are open."""

    def __init__(self) -> None:
        """Start empty."""
        self._events: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, event: Any) -> None:
        """Add an event."""
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        """Wait for the next event, and return it."""
        while not self._events:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._events.pop(0)

    def empty(self) -> bool:
        """Return whether no event waits."""
        return not self._events


class BackpressureWebSocketProtocol(WebSocketsSansIOProtocol):
    """A socket whose client may be slow, but must not stop reading: unsent frames wait in memory."""

    _stalled: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **options: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*given, **options)
        self.queue = ReceiveQueue()  # type: ignore[assignment]

    async def run_asgi(self) -> None:
        """Skip a client that has disconnected; put `_is_gone` into the scope while the socket is not open."""
        if not self._is_gone():
            self.scope[CLIENT_DISCONNECTED] = self._is_gone  # type: ignore[literal-required]
            await super().run_asgi()

    def start_keepalive(self) -> None:
        """Forget the handshake: an open socket needs its scope alone, and there may be thousands."""
        self.request.headers.clear()  # the parser keeps the request
        del self.request, self.response
        super().start_keepalive()

    def _is_gone(self) -> bool:
        if self.transport.is_closing():
            self.handshake_complete = (
                True  # the client disconnected during the handshake; that is no error
            )
        return self.transport.is_closing()

    def pause_writing(self) -> None:
        """Start the time-out: the client is behind by a whole buffer, 64 KiB."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._disconnect)

    def resume_writing(self) -> None:
        """Cancel the time-out: the client reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time-out."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def _disconnect(self) -> None:
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(
                CloseCode.SLOW_CONSUMER, "slow consumer; reconnect after the last place you saw"
            )
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = self.disconnected = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SLOW_CONSUMER})
        self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)


def raise_open_file_limit() -> None:
    """Raise this process's limit of open files to the system's maximum: a socket is a file.

    The usual limit, 1024, is for programs that use `select`; this one does not.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


GRACEFUL_STOP_SECONDS = 3
"""Time that requests have to finish when the server stops: 3 s. With the last commit it exits within 5 s."""


class ApiServer(uvicorn.Server):
    """A uvicorn server that answers waiting requests at once when it stops."""

    def __init__(self, config: uvicorn.Config, stop_waiting: Callable[[], None]) -> None:
        """`stop_waiting` ends the long polls; it is called once, when the server begins to stop."""
        super().__init__(config)
        self._stop_waiting = stop_waiting

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: answer the long polls, close the WebSockets, finish the requests."""
        self._stop_waiting()
        await super().shutdown(sockets)


def uvicorn_config(application: ASGIApp, **over: Any) -> uvicorn.Config:
    """Return the uvicorn configuration of the API; `over` overrides it."""
    given: dict[str, Any] = {
        "loop": "uvloop",
        "http": TimeoutHttpProtocol,
        "ws": BackpressureWebSocketProtocol,
        "ws_per_message_deflate": False,  # it costs a quarter of a MiB a socket
        "ws_max_size": MAX_CLIENT_FRAME_BYTES,
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": GRACEFUL_STOP_SECONDS,
    }
    return uvicorn.Config(application, **(given | over))
