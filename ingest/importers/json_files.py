"""JSON files in bounded memory: the items of an array one by one, or a whole document of limited size."""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ingest.importers.base import Damage
from ingest.importers.lines import open_binary

MAX_DOCUMENT = 512 * 1024 * 1024
"""Bytes of a document that is read as a whole."""

MAX_ITEM = 64 * 1024 * 1024
"""Characters of one item of an array."""

_CHUNK = 1024 * 1024
_SPACE = " \t\r\n"


def read_document(path: Path) -> Any:
    """Return the content of a JSON file; Damage if it is none. Raises OSError."""
    with open_binary(path) as file:
        try:
            raw = file.read(MAX_DOCUMENT + 1)
        except (gzip.BadGzipFile, zlib.error, EOFError):
            return Damage("whole file", "damaged gzip")
    return parse_document(raw)


def parse_document(raw: bytes) -> Any:
    """Return the content of a JSON document; Damage if it is none."""
    if len(raw) > MAX_DOCUMENT:
        return Damage("whole file", f"longer than {MAX_DOCUMENT:,} bytes")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _located(raw)


def _located(raw: bytes) -> Damage:
    """Return why a document cannot be read, with its line."""
    try:
        json.loads(raw.decode())
    except json.JSONDecodeError as error:
        return Damage(f"line {error.lineno}", f"not JSON: {error.msg}")
    except UnicodeDecodeError as error:
        return Damage(f"line {raw.count(10, 0, error.start) + 1}", "not UTF-8")
    except (RecursionError, ValueError):
        pass
    return Damage("whole file", "JSON that cannot be stored, or is nested too deeply")


def array_items(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each item of a JSON array, or of several in a row, with the line where it begins.

    An item that cannot be read is Damage, and ends the file. Raises OSError.
    """
    with open_binary(path) as file:
        buffer = _Buffer(file)
        while buffer.skip() and not buffer.is_damaged:
            if buffer.take() == "[":
                yield from _items(buffer)
            else:
                yield buffer.place, Damage(buffer.place, "not a JSON array")
                return


def _items(buffer: "_Buffer") -> Iterator[tuple[str, Any]]:
    while buffer.skip(","):
        if buffer.peek() == "]":
            buffer.take()
            return
        place = buffer.place
        item = buffer.item()
        yield place, item
        if buffer.is_damaged:
            return
    buffer.is_damaged = True
    yield buffer.place, Damage(buffer.place, "the file ends inside its array")


class _Buffer:
    """The part of a file that is being read."""

    def __init__(self, file: BinaryIO) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._file = file
        self._text, self._at, self._line = "", 0, 1
        self._is_at_end = False
        self.is_damaged = False

    @property
    def place(self) -> str:
        """The line of the next character."""
        return f"line {self._line}"

    def peek(self) -> str:
        """Return the next character."""
        return self._text[self._at]

    def take(self) -> str:
        """Return the next character and go past it."""
        self._at += 1
        return self._text[self._at - 1]

    def skip(self, more: str = "") -> bool:
        """Go past spaces, and past `more`. Return whether more follows."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE + more:
                    return True
                self._line += self._text[self._at] == "\n"
                self._at += 1
            if not self._grow():
                return False

    def item(self) -> Any:
        """Return the next value; Damage if it cannot be read."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at <= MAX_ITEM and self._grow():
                    continue
                lines = self._text.count("\n", self._at, error.pos)
                return self._damage(f"not JSON: {error.msg}", lines)
            except (ValueError, RecursionError) as error:
                return self._damage(f"JSON that cannot be stored: {type(error).__name__}")
            if end == len(self._text) and self._grow():
                continue
            return self._checked(value, end)

    def _checked(self, value: Any, end: int) -> Any:
        self._line += self._text.count("\n", self._at, end)
        is_escaped = self._text.find("\\u", self._at, end) >= 0
        self._at = end
        try:
            if is_escaped:
                msgspec.json.encode(value)
        except UnicodeEncodeError:
            return Damage(self.place, "half a character (a lone surrogate) cannot be stored")
        return value

    def _damage(self, reason: str, lines: int = 0) -> Damage:
        self.is_damaged = True
        return Damage(f"line {self._line + lines}", reason)

    def _grow(self) -> bool:
        """Read on, and double what is kept. Return whether more follows."""
        if self._is_at_end:
            return False
        rest = self._text[self._at :]
        try:
            raw = self._file.read(max(_CHUNK, len(rest)))
            self._is_at_end = not raw
            more = self._decoder.decode(raw, final=self._is_at_end)
        except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError):
            self._is_at_end, more = True, ""
        self._text, self._at = rest + more, 0
        return bool(more)


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
