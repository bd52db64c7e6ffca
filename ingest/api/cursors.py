"""Opaque cursors: a place in a list, which clients hand back and never read."""

import base64
import binascii

from ingest.errors import InvalidRequestError


def to_cursor(place: int) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(place.to_bytes(8, "big")).decode().rstrip("=")


def from_cursor(cursor: str | None) -> int | None:
    """The place of a cursor; None for none. Raises InvalidRequestError."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 8 or raw[0] > 127:
        raise InvalidRequestError("not a cursor of ours; leave it out to begin anew", "cursor")
    return int.from_bytes(raw, "big")
