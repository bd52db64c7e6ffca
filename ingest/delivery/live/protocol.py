"""What a socket tells: its frames, why it is closed, and the figures that a client reckons with.

`docs/reference.md` prints this page, so it says all that somebody needs to write a client.
"""

from enum import IntEnum
from typing import Any

from ingest.delivery.live.broadcaster import encode_json

HEARTBEAT_SECONDS = 20.0
"""After so much silence a listener is told where it stands. Who hears nothing for longer has lost the connection."""

PING_SECONDS = 20.0
"""So often the server pings (a browser answers by itself); who does not answer for as long again is let go."""

STALLED_SECONDS = 10.0
"""A listener that takes nothing for so long is let go; it comes back and reads the log."""

MAX_CLIENT_FRAME_BYTES = 4096
"""Bytes that a client may send at once: sockets only tell."""

SUBPROTOCOL = "convolake.v1"
"""The subprotocol. A browser names `token.<token>` beside it, for it cannot send a header."""


class CloseCode(IntEnum):
    """Why the server closes a socket; each says what it means and what to do then."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "CloseCode":
        """The number is the code of RFC 6455, or one of ours."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    ONLY_TELLS = 1003, "the client sent something; write by HTTP. Do not come back with the same"
    TOO_LARGE = 1009, f"the client sent more than {MAX_CLIENT_FRAME_BYTES} bytes; write by HTTP"
    FAULT = 1011, "a fault of ours, or no answer to a ping; come back with the last place you saw"
    RESTART = 1012, "the server stops; come back with the last place you saw"
    TOO_SLOW = 1013, "the client did not read; come back with the last place you saw"
    EXPIRED = 4401, "the token or the key is not good any more; come back with a new one"


def event_frame(event: bytes) -> bytes:
    """An event, with those of its columns that hold something, or `{"sequence": 8, "withheld": true}` if it is not for you."""
    return b'{"type":"event","event":' + event + b"}"


def live_frame(place: str, after: int) -> bytes:
    """You have all there is up to here; what follows is told as it is committed."""
    return encode_json({"type": "live", place: after})


def heartbeat_frame(place: str, after: int) -> bytes:
    """Nothing came for a while; you have all there is up to here."""
    return encode_json({"type": "heartbeat", place: after})


def typing_frame(items: list[dict[str, Any]]) -> bytes:
    """Everybody who types now, in place of those told before; on the socket of one conversation only."""
    return encode_json({"type": "typing", "items": items})
