"""An event as a reader may see it: the same in a page, on a socket and in a webhook."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from ingest.contract import COLUMNS, from_micros

EventRow = Mapping[str, Any] | RowMapping
"""An event by its columns, from memory or from the store."""


_TIMES = tuple(column.name for column in COLUMNS if column.name.endswith("_at"))


_TOLD = ("message.", "feedback.", "custom.")
"""What these hold was said to the customer; what others hold is ours, as notes and attributes are."""


def render_event(row: EventRow, view: str, *, is_deleted: bool = False) -> dict[str, Any]:
    """The event of `row` by its columns, as `view` (all or customer) shows it.

    A customer sees that something is in a place, not what: `{sequence, withheld: true}`.
    `is_deleted`: its message was deleted since.
    """
    if view == "all":
        return _whole(row)
    if row["visibility"] == "internal":
        return {"sequence": row["sequence"], "withheld": True}
    event = _whole(row)
    if is_deleted or not row["event_type"].startswith(_TOLD):
        for name in ("text", "payload"):
            event.pop(name, None)
    return event


def _whole(row: EventRow) -> dict[str, Any]:
    values = {column.name: row[column.name] for column in COLUMNS if row[column.name] is not None}
    for name in _TIMES:
        if name in values:
            values[name] = from_micros(values[name])
    if "payload" in values:
        values["payload"] = msgspec.json.decode(values["payload"])
    return values
