"""A provider on loopback that takes every message at once, and remembers in which order they came.

It answers like a receiver of the signed webhook: `{"id": …}`. `GET` returns what it saw (`Seen`).
`python -m benchmarks.provider PORT` serves it; it costs little, because machines have few cores.
"""

import asyncio
import re
import sys
import time
from collections import defaultdict
from typing import cast

import msgspec
import uvloop

from benchmarks.servers import HOST

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TEXT = re.compile(rb'"text":"([^"/]*)/(\d+)"')


class Seen(msgspec.Struct, frozen=True):
    """The requests that came: how many in all, when the first and the last came, in seconds, and how many out of order."""

    count: int
    first_at: float
    last_at: float
    out_of_order: int


class Memory:
    """The messages so far. A text is `CONVERSATION/NUMBER`, with numbers from 0."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.count = self.out_of_order = 0
        self.first_at = self.last_at = 0.0
        self._next: defaultdict[bytes, int] = defaultdict(int)

    def note(self, body: bytes) -> int:
        """Remember a message; return its number."""
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        self.count += 1
        found = _TEXT.search(body)
        if found is None or int(found[2]) != self._next[found[1]]:
            self.out_of_order += 1
        if found is not None:
            self._next[found[1]] += 1
        return self.count

    def seen(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.encode(Seen(self.count, self.first_at, self.last_at, self.out_of_order))


class Connection(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, memory: Memory) -> None:
        """Share the memory."""
        self._memory = memory
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, rest = self._buffer[:end], self._buffer[end + 4 :]
            length = _LENGTH.search(head)
            size = int(length[1]) if length is not None else 0
            if len(rest) < size:
                return
            self._buffer = rest[size:]
            self._answer(head, rest[:size])

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            content = self._memory.seen()
        else:
            content = b'{"id":"p%d"}' % self._memory.note(body)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
        )


async def serve(port: int) -> None:
    """Serve until the process ends."""
    memory = Memory()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(memory), HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
