"""Saved filters: a name and the query string of a list, in one small file of the data folder. All users share them.

A query string without a period means the newest days, whenever it is opened. The values are read as those of any URL:
a value that does not exist any more is left out with a hint.
"""

import os
import threading
from pathlib import Path

import msgspec

FILE = "saved_filters.json"
MAX_FILTERS = 200
MAX_NAME = 60

_lock = threading.Lock()


class SavedFiltersError(Exception):
    """The saved filters cannot be read or written; the text says what to do."""


class SavedFilter(msgspec.Struct, frozen=True):
    """Filters under a name, and who saved them."""

    name: str
    query: str
    saved_by: str


def load_filters(data: Path) -> list[SavedFilter]:
    """Return the saved filters, by name. Raises SavedFiltersError."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=list[SavedFilter])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise SavedFiltersError(
            f"The file {FILE} in the data folder cannot be read. Repair or delete it."
        ) from error


def save_filter(data: Path, saved: SavedFilter) -> None:
    """Save filters; the same name replaces those of before. Safe to repeat. Raises SavedFiltersError."""
    with _lock:
        others = [each for each in load_filters(data) if each.name != saved.name]
        if len(others) >= MAX_FILTERS:
            raise SavedFiltersError(f"There are {MAX_FILTERS} saved filters. Delete one first.")
        _write(data, [*others, saved])


def delete_filter(data: Path, name: str) -> None:
    """Delete the filters of a name, if there are any. Raises SavedFiltersError."""
    with _lock:
        _write(data, [each for each in load_filters(data) if each.name != name])


def _write(data: Path, filters: list[SavedFilter]) -> None:
    ordered = sorted(filters, key=lambda each: each.name.casefold())
    part = data / f".{FILE}.{os.getpid()}"
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(ordered)))
        part.replace(data / FILE)
    except OSError as error:
        raise SavedFiltersError(
            "The data folder cannot be written, so nothing was saved."
        ) from error
