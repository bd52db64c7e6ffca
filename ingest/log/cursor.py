"""How far a consumer has read the log: a position for each shard.

Clients see a cursor as an opaque string. A shard that a cursor does not name starts before position 1.
"""

import base64
import binascii
import json
from collections.abc import Iterable

from ingest.contract import Cursor
from ingest.errors import InvalidRequestError, PlaceBeyondEndError
from ingest.events.stored_event import StoredEvent

START: Cursor = {}
"""Before the first event of every shard."""

MAX_BYTES = 4096


def advance(cursor: Cursor, events: Iterable[StoredEvent]) -> Cursor:
    """Return the cursor after `events`, which are in order of position within each shard."""
    return {**cursor, **{event.shard: event.position for event in events}}


def is_behind(cursor: Cursor, head: Cursor) -> bool:
    """Return whether the log has events after `cursor` up to `head`."""
    return any(position > cursor.get(shard, 0) for shard, position in head.items())


def encode_cursor(cursor: Cursor) -> str:
    """Encode a cursor for a client or a column. Equal cursors give equal strings."""
    body = json.dumps(sorted(cursor.items()), separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Decode what `encode_cursor` returned. Raises InvalidRequestError."""
    try:
        body = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor: dict[int, int] = dict(json.loads(body))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        cursor = {-1: 0}
    if len(text) > MAX_BYTES or not all(_is_place(*pair) for pair in cursor.items()):
        raise InvalidRequestError("not a cursor of this log; leave it out to start", "cursor")
    return cursor


def _is_place(shard: object, position: object) -> bool:
    return (
        type(shard) is int
        and type(position) is int
        and 0 <= shard < 2**15
        and 0 <= position < 2**63
    )


def check_within(cursor: Cursor, head: Cursor, field: str) -> None:
    """Raise PlaceBeyondEndError if `cursor` is beyond the log's end, `head`, in any shard."""
    if any(position > head.get(shard, 0) for shard, position in cursor.items()):
        raise PlaceBeyondEndError(
            "this cursor is beyond the end of the log; `cursor` is its newest place",
            field,
            cursor=encode_cursor(head),
        )


def furthest(*cursors: Cursor) -> dict[int, int]:
    """Return the cursor that has read everything that any of `cursors` has read."""
    shards = {shard for cursor in cursors for shard in cursor}
    return {shard: max(cursor.get(shard, 0) for cursor in cursors) for shard in shards}


def distance(after: Cursor, until: Cursor) -> int:
    """Return how many events lie between two cursors."""
    return sum(max(0, position - after.get(shard, 0)) for shard, position in until.items())
