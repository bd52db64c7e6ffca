"""JSONL of events: those that clients send, and the table `events` of `convolake export --format jsonl`.

Events that only the log writes are left out: the log derives them again from the others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ingest.events.draft import Draft
from ingest.events.types import find_event_type
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, ImportOptions, Item, Skipped
from ingest.importers.lines import byte_lines

_FIELDS = frozenset(each.name for each in msgspec.structs.fields(Draft))
_TIMES = ("occurred_at", "happened_at")


class _Row(Struct):
    """What a line must have: without an id, a second import would double its event."""

    event_id: str
    event_type: str


class JsonlImporter:
    """Imports events as JSON lines."""

    name = "jsonl"
    description = "Import events as JSON lines, as `convolake export --format jsonl` writes them."
    file_help = "events, .jsonl or .jsonl.gz"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the event of each line."""
        for place, line in byte_lines(path):
            yield line if isinstance(line, Damage) else _item(place, line)


def _item(place: str, line: bytes) -> Item:
    try:
        row = msgspec.json.decode(line)
        event = _event(row)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        return Damage(place, f"not an event: {error}")
    kind = find_event_type(event["event_type"])
    if kind is not None and kind.writer != "client":
        return Skipped(place, f"only the {kind.writer} writes {kind.name}")
    return ImportedEvent(event, place)


def _event(row: Any) -> dict[str, Any]:
    msgspec.convert(row, _Row)
    event = {name: value for name, value in row.items() if value is not None and name in _FIELDS}
    if isinstance(event.get("payload"), str):
        event["payload"] = msgspec.json.decode(event["payload"])
    for name in _TIMES:
        if isinstance(event.get(name), str):
            event[name] = _with_zone(event[name])
    return event


def _with_zone(text: str) -> str:
    """Return a time with its zone; exports hold UTC without one, and a space for the T."""
    text = text.replace(" ", "T", 1)
    has_zone = text.endswith("Z") or "+" in text[10:] or "-" in text[10:]
    return text if has_zone else f"{text}Z"
