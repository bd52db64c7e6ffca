"""The WebSocket protocol: its frames, close codes and intervals.

`docs/reference.md` prints this module, so it says everything that a client author needs.
"""

from enum import IntEnum
from typing import Any

from ingest.delivery.live.broadcaster import encode_json

HEARTBEAT_SECONDS = 20.0
"""Interval of heartbeats while no event arrives. A client that receives nothing for longer has lost the connection."""

PING_SECONDS = 20.0
"""Interval of WebSocket pings (a browser answers automatically), and the time-out of their answer."""

STALLED_SECONDS = 10.0
"""Time-out of a client that reads nothing. The server closes its socket; the client reconnects and reads the log."""

MAX_CLIENT_FRAME_BYTES = 4096
"""Maximum size of a frame from the client. Sockets only send; write by HTTP."""

SUBPROTOCOL = "convolake.v1"
"""The subprotocol. A browser offers `token.<token>` as a second one, because it cannot send a header."""


class CloseCode(IntEnum):
    """Why the server closes a socket, and what the client should do then."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "CloseCode":
        """Create a member from a code of RFC 6455, or a private one, and its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    SEND_ONLY = 1003, "the client sent a frame; write by HTTP and do not reconnect with the same"
    MESSAGE_TOO_BIG = (
        1009,
        f"the client sent more than {MAX_CLIENT_FRAME_BYTES} bytes; write by HTTP",
    )
    INTERNAL_ERROR = (
        1011,
        "a server error, or no answer to a ping; reconnect after the last place seen",
    )
    SERVICE_RESTART = 1012, "the server stops; reconnect after the last place seen"
    SLOW_CONSUMER = 1013, "the client did not read; reconnect after the last place seen"
    CREDENTIALS_EXPIRED = 4401, "the token or key is no longer valid; reconnect with a new one"


def event_frame(event: bytes, after: str | None = None) -> bytes:
    """Send an event with its columns that are not null and `control` (who has control, and its epoch), or `{"sequence": 8, "withheld": true}` if the client may not see it. On `/v1/live` with `after`, the cursor behind it."""
    cursor = b"" if after is None else b'"after":"' + after.encode() + b'",'
    return b'{"type":"event",' + cursor + b'"event":' + event + b"}"


def live_frame(name: str, after: int | str) -> bytes:
    """Confirm that the client has every event up to here; later events are sent as they are committed."""
    return encode_json({"type": "live", name: after})


def heartbeat_frame(name: str, after: int | str) -> bytes:
    """No event arrived for a while; the client has everything up to here."""
    return encode_json({"type": "heartbeat", name: after})


def typing_frame(items: list[dict[str, Any]]) -> bytes:
    """Everyone who is typing; replaces the list before. Sent on the socket of one conversation only."""
    return encode_json({"type": "typing", "items": items})
