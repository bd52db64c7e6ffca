"""The JSON records of a file: one a line, or values in a row, whole or damaged."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ingest.importers.base import Damage
from ingest.importers.json_files import (
    DECODER,
    HALF_CHARACTER,
    documents,
    find_glued,
    is_storable,
)
from ingest.importers.lines import byte_lines, decode


def records(path: Path, encoding: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield each record with its line: the lines of JSONL, or the objects and array items of other JSON.

    A line that is not UTF-8 is read as `encoding`. Damage does not end the file. Raises OSError.
    """
    if not _is_jsonl(path, encoding):
        yield from documents(path)
        return
    for place, line in byte_lines(path):
        if isinstance(line, Damage):
            yield place, line
        else:
            for each in _values(place, line, encoding):
                yield place, each


def _is_jsonl(path: Path, encoding: str | None) -> bool:
    """Return whether the first line is a whole object, or the first two are whole arrays."""
    first = [
        line
        for _, line in itertools.islice(byte_lines(path), 2)
        if isinstance(line, bytes) and (text := decode(line, encoding)) and _is_whole(text)
    ]
    return bool(first) and (first[0].lstrip()[:1] == b"{" or len(first) > 1)


def _is_whole(line: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict | list)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _values(place: str, line: bytes, encoding: str | None) -> Iterator[Any]:
    """Yield the value of a line, or damage and the values glued to it."""
    text = decode(line.removeprefix(b"\xef\xbb\xbf"), encoding)
    if text is None:
        yield Damage(place, "not UTF-8; --encoding names another one")
        return
    try:
        yield msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield from _glued_values(place, text)


def _glued_values(place: str, text: str) -> Iterator[Any]:
    """Yield the values of a line one after the other, and damage for those that were cut off."""
    at: int | None = 0
    while at is not None and at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, end = DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            yield Damage(place, f"not JSON: {error.msg}")
            at = find_glued(text, at, error.pos)
        except (ValueError, RecursionError):
            yield Damage(place, "JSON that cannot be stored, or is nested too deeply")
            return
        else:
            is_whole = is_storable(text[at:end], value)
            yield value if is_whole else Damage(place, HALF_CHARACTER)
            at = end
