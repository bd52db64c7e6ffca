"""Opaque page cursors: a place in a list, which clients return unread."""

import base64
import binascii
from typing import Annotated, Literal

from fastapi import Query

from ingest.errors import InvalidRequestError, PlaceBeyondEndError
from ingest.log.queries import SequenceRange

Limit = Annotated[int, Query(ge=1, le=100, description="items a page")]


PageCursor = Annotated[str | None, Query(max_length=256, description="`cursor` of the page before")]


def to_cursor(place: int, key: str = "") -> str:
    """Encode a place in a list; `key` distinguishes items with the same place."""
    raw = place.to_bytes(8, "big") + key.encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_cursor(cursor: str | None) -> int | None:
    """Decode a place; None without a cursor. Raises InvalidRequestError."""
    decoded = from_keyed_cursor(cursor)
    return None if decoded is None else decoded[0]


def from_keyed_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Decode a place and its key; None without a cursor. Raises InvalidRequestError."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = raw[8:].decode()
    except (binascii.Error, ValueError):
        raw, key = b"", ""
    if len(raw) < 8 or raw[0] > 127:
        raise InvalidRequestError("not a cursor of this list; leave it out to start", "cursor")
    return int.from_bytes(raw[:8], "big"), key


Order = Annotated[Literal["asc", "desc"], Query(description="oldest or newest first")]


After = Annotated[int | None, Query(ge=0, lt=2**63, description="only items after it")]


Before = Annotated[int | None, Query(ge=0, lt=2**63, description="only items before it")]


def check_sequence(after: int | None, last_sequence: int) -> None:
    """Raise PlaceBeyondEndError if a conversation does not have the sequence to read from yet."""
    if after is not None and after > last_sequence:
        raise PlaceBeyondEndError(
            f"the last sequence of this conversation is {last_sequence}",
            "after_sequence",
            last_sequence=last_sequence,
        )


def to_span(order: str, cursor: int | None, after: int | None, before: int | None) -> SequenceRange:
    """Combine a page cursor with the bounds of the request."""
    is_newest_first = order == "desc"
    if cursor is not None and is_newest_first:
        before = cursor if before is None else min(cursor, before)
    elif cursor is not None:
        after = cursor if after is None else max(cursor, after)
    return SequenceRange(after or 0, before, is_newest_first)
