"""Fields of foreign records: read with their type, or not at all. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from ingest.events.foreign_times import TimeFormatError, read_time

MAX_DEPTH = 16
"""Levels of a structure that are stored as they are; a deeper one is stored as JSON text."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def text(record: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these fields that is a text, or a whole number; an empty one counts as missing."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value:
            return value
    return None


def mapping(record: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at the end of a path, empty if there is none."""
    for name in path:
        record = record.get(name) if isinstance(record, Mapping) else None
    return record if isinstance(record, Mapping) else {}


def items(record: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field that is a list, empty if it is none."""
    value = record.get(name)
    return value if isinstance(value, list) else []


def number(record: Mapping[str, Any], *names: str) -> float | None:
    """Return the first of these fields that is a number."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            return value
    return None


def count(record: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of these fields that is a number of things."""
    found = number(record, *names)
    return int(found) if found is not None and 0 <= found < 2**63 else None


def moment(record: Mapping[str, Any], *names: str) -> datetime | None:
    """Return the first of these fields that is there as a time. Raises TimeFormatError."""
    for name in names:
        if record.get(name) is not None:
            return read_time(record[name])
    return None


def moment_or_none(record: Mapping[str, Any], *names: str) -> datetime | None:
    """Return the first of these fields that is there as a time; None if it is none."""
    try:
        return moment(record, *names)
    except TimeFormatError:
        return None


def present(**values: Any) -> dict[str, Any]:
    """Return the values that are there; an empty text or structure counts as missing."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {}, ())}


def bounded(value: Any) -> Any:
    """Return a structure as it is, or as JSON text if it is nested too deeply to be stored."""
    return value if _is_shallow([value]) else json.dumps(value, ensure_ascii=False)


def _is_shallow(level: list[Any]) -> bool:
    for _ in range(MAX_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return True
    return False


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def name_of(value: str | None, default: str) -> str:
    """Return a foreign name as one of the log: lower case, digits and underscores."""
    found = _NOT_IN_NAMES.sub("_", (value or "").lower()).strip("_")[:32]
    return found if found[:1].isalpha() else default


def digest(value: Any) -> str:
    """Return a digest of a record, whatever the order of its fields."""
    encoded = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(encoded.encode("utf-8", "replace"), digest_size=16).hexdigest()
