"""How the API is served: uvicorn, with its time-outs where it has none of its own."""

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STALLED_SECONDS = 10.0
"""A listener that takes nothing for so long is let go; it comes back and reads the log."""

TRY_AGAIN_LATER = 1013
"""Close code (IANA registry) of a listener that is too slow."""


class LiveProtocol(WebSocketsSansIOProtocol):
    """A socket whose reader may be slow, but not stand still: what waits for it waits in memory."""

    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The reader is behind by a whole buffer: 64 KiB."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._let_go)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It went away."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def _let_go(self) -> None:
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(TRY_AGAIN_LATER, "too slow; come back with the last place you saw")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = self.disconnected = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})
        self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)


def config(application: ASGIApp, **over: Any) -> uvicorn.Config:
    """How uvicorn serves the API; `over` says where."""
    given: dict[str, Any] = {
        "loop": "uvloop",
        "http": "httptools",
        "ws": LiveProtocol,
        "ws_per_message_deflate": False,  # it costs a quarter of a MiB a socket
        "ws_max_size": 4096,  # sockets only tell
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": 10,
    }
    return uvicorn.Config(application, **(given | over))
