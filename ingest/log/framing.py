"""Cuts a stream of bytes into frames: each has its length first."""

import socket
import struct

_LENGTH = struct.Struct("!I")


class FrameReader:
    """Cuts what a socket gives into frames."""

    def __init__(self) -> None:
        """Start at the beginning of a frame."""
        self._buffer = bytearray()

    def feed(self, data: "bytes | memoryview") -> list[bytes]:
        """Return the frames that are complete with `data`."""
        self._buffer += data
        frames: list[bytes] = []
        start, length = 0, len(self._buffer)
        with memoryview(self._buffer) as view:
            while length - start >= _LENGTH.size:
                end = start + _LENGTH.size + _LENGTH.unpack_from(view, start)[0]
                if end > length:
                    break
                frames.append(bytes(view[start + _LENGTH.size : end]))
                start = end
        del self._buffer[:start]
        return frames


def frame(content: bytes) -> bytes:
    """Return `content` as a frame."""
    return _LENGTH.pack(len(content)) + content


def receive_frame(connection: socket.socket) -> bytes:
    """Wait for one frame, and receive no byte after it. Raises ConnectionError."""
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    return _receive(connection, length)


def _receive(connection: socket.socket, length: int) -> bytes:
    data = connection.recv(length, socket.MSG_WAITALL)
    if len(data) < length:
        raise ConnectionError("the other end closed the socket")
    return data
