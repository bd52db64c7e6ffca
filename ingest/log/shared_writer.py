"""A writer that several API processes share: this process's place at it."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from ingest.errors import LogUnavailableError
from ingest.log import frames
from ingest.log.socket_writer import SocketWriter
from ingest.log.writer_requests import Broadcast

logger = logging.getLogger(__name__)

CONNECT = b"c"
"""What an API process sends to the entry, together with the writer's end of a new socket."""

BEHIND = "this process was too far behind the log; it starts again"
"""The failure of an API process that has to start again."""

CLOSED = "the writer ended, and no other starts; restart to read the truth from disk"


class SharedWriter(SocketWriter):
    """Connects to the writer with an entry, and connects again when its socket closes.

    The entry is one end of a socket pair that all API processes inherit; the current writer has the other end.
    If that end stays open while no writer runs, new sockets wait there for the next one.
    """

    def __init__(
        self,
        entry: socket.socket,
        position: int,
        on_message: Callable[[dict[str, Any]], None],
        on_behind: Callable[[], None],
        **common: Any,
    ) -> None:
        """`position`: the last that the API knows. `on_message` receives the messages of other API processes.

        `on_behind`: called when this process is too far behind the log; it has to start again.
        """
        super().__init__(position, **common)
        self._entry = entry
        self._on_message = on_message
        self._on_behind = on_behind

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send a message to every other API process; it is not stored. It is lost if the writer ends."""
        with suppress(LogUnavailableError):
            self.submit(Broadcast(_encode(message))).add_done_callback(_ignore)

    def _attach(self, theirs: socket.socket) -> bytes:
        try:
            socket.send_fds(self._entry, [CONNECT], [theirs.fileno()])
        except BrokenPipeError:  # the other end is closed for good
            self._status = msgspec.structs.replace(self._status, failure=CLOSED)
            raise
        return frames.encode_greeting(self.position)

    async def _ended(self) -> str:
        return "the connection to the writer's process closed"

    def _take(self, content: bytes) -> frames.Commit:
        commit = super()._take(content)
        if commit.status.failure == BEHIND:
            self.disconnect()
            self._on_behind()
        for each in commit.messages:
            try:
                self._on_message(_decode(each))
            except Exception:
                logger.exception("a message of another API process cannot be read")
        return commit


def _ignore(sent: "asyncio.Future[Any]") -> None:
    """Note the error of a message that was lost, or the event loop would log it."""
    if not sent.cancelled():
        sent.exception()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode
