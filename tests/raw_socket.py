"""Sockets that cost little, thousands of them in one process: raw frames (RFC 6455) over asyncio."""

import asyncio
import base64
import os
from typing import cast


class Socket(asyncio.Protocol):
    """One socket that is told things: its handshake, then its frames.

    The callbacks: `rejected` with a response, or `opened`, then `receive` for each frame; at last `lost`.
    """

    def __init__(self, host: str, path: str, key: str) -> None:
        """`host` is how the server is called; `key` is an API key or a token."""
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()
        self._buffer = b""
        self._is_open = False

    def opened(self) -> None:
        """The handshake is done."""

    def receive(self, frame: bytes) -> None:
        """A frame of text came."""
        raise NotImplementedError

    def rejected(self, answer: bytes) -> None:
        """So far, this was answered instead of opening the socket."""
        raise NotImplementedError

    def lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a socket."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self.lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self.rejected(self._buffer)
                return
            self._is_open, self._buffer = True, rest
            self.opened()
        while (frame := self._next_frame()) is not None:
            self._take(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        self._buffer = buffer[start + size :]
        return buffer[0] & 0x0F, buffer[start : start + size]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == 9:  # a ping; what a client sends is masked, here with zeros
            self.transport.write(bytes([0x8A, 0x80 | len(body), 0, 0, 0, 0]) + body)
        elif kind == 1:
            self.receive(body)
