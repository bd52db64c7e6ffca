"""An event as a reader may see it: the same in a page, on a socket and in a webhook."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from ingest.contract import COLUMNS, from_micros
from ingest.events.types import rules_of

EventRow = Mapping[str, Any] | RowMapping
"""An event by its columns, from memory or from the store."""

_TIMES = tuple(column.name for column in COLUMNS if column.name.endswith("_at"))


def render_event(row: EventRow, view: str, *, is_deleted: bool = False) -> dict[str, Any]:
    """Return the columns of an event that `view` (all or customer) shows.

    A customer sees that the place is taken: `{sequence, withheld: true}`. `is_deleted`: the message of the
    event was deleted.
    """
    if view == "all":
        return _all_columns(row)
    if row["visibility"] == "internal":
        return {"sequence": row["sequence"], "withheld": True}
    event = _all_columns(row)
    if is_deleted or not rules_of(row["event_type"]).visible_to_customer:
        for name in ("text", "payload"):
            event.pop(name, None)
    return event


def _all_columns(row: EventRow) -> dict[str, Any]:
    values = {column.name: row[column.name] for column in COLUMNS if row[column.name] is not None}
    for name in _TIMES:
        if name in values:
            values[name] = from_micros(values[name])
    if "payload" in values:
        values["payload"] = msgspec.json.decode(values["payload"])
    return values
