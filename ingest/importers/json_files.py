"""JSON files in bounded memory: the items of an array one by one, or a whole document of limited size."""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
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


def documents(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the objects of a file and the items of its arrays, in a row or glued, with their lines.

    Damage does not end the file: reading continues with the next object or array that begins a line, or that
    begins where the damaged one was cut off. Raises OSError.
    """
    with open_binary(path) as file:
        buffer = _Buffer(file)
        while buffer.skip(",]"):
            if buffer.peek() == "[":
                buffer.take()
                yield from _items(buffer)
            else:
                place = buffer.place
                yield place, buffer.item()
            if buffer.is_damaged and not buffer.recover():
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
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._file = file
        self._text, self._at, self._line = "", 0, 1
        self._indent, self._damaged_at = "", 0
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
                is_new_line = self._text[self._at] == "\n"
                self._line += is_new_line
                self._indent = "" if is_new_line else self._indent + self._text[self._at]
                self._at += 1
            if not self._grow():
                return False

    def item(self) -> Any:
        """Return the next value; Damage if it cannot be read."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                offset = error.pos - self._at
                if len(self._text) - self._at <= MAX_ITEM and self._grow():
                    continue
                self._damaged_at = self._at + offset
                lines = self._text.count("\n", self._at, self._damaged_at)
                return self._damage(f"not JSON: {error.msg}", lines)
            except (ValueError, RecursionError) as error:
                return self._damage(f"JSON that cannot be stored: {type(error).__name__}")
            if end == len(self._text) and self._grow():
                continue
            return self._checked(value, end)

    def _checked(self, value: Any, end: int) -> Any:
        self._line += self._text.count("\n", self._at, end)
        raw, self._at = self._text[self._at : end], end
        if not raw.isascii() and _NOT_UTF_8.search(raw):
            return Damage(self.place, "not UTF-8")
        return value if is_storable(raw, value) else Damage(self.place, HALF_CHARACTER)

    def recover(self) -> bool:
        """Go to the next value after damage. Return whether there is one."""
        glued = find_glued(self._text, self._at, self._damaged_at)
        starts = re.compile(rf"\n(?:{re.escape(self._indent)})?[\[{{]")
        at = glued if glued is not None else max(self._damaged_at, self._at)
        while glued is None and (found := starts.search(self._text, at)) is None:
            self._skip_to(len(self._text))
            if not self._grow():
                return False
            at = 0
        end = at if glued is not None or found is None else found.end() - 1
        self._skip_to(end)
        self.is_damaged = False
        return True

    def _skip_to(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

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


DECODER = json.JSONDecoder(parse_constant=_no_constant)
HALF_CHARACTER = "half a character (a lone surrogate) cannot be stored"


def is_storable(raw: str, value: Any) -> bool:
    """Return whether a value that was read from `raw` has whole characters only."""
    try:
        if "\\u" in raw:
            msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


_NOT_UTF_8 = re.compile("[\udc80-\udcff]")
"""Bytes that are not UTF-8, as `surrogateescape` reads them."""

_TRIED = 50
"""Places at which a glued value may begin that are tried."""


def find_glued(text: str, start: int, damaged_at: int) -> int | None:
    """Return where a whole value begins that was glued to one cut off after `start`; None if there is none.

    It begins before the place where the damage showed, and goes beyond it.
    """
    at = damaged_at + 1
    for _ in range(_TRIED):
        at = max(text.rfind("{", start + 1, at), text.rfind("[", start + 1, at))
        if at < 0:
            return None
        with suppress(ValueError, RecursionError):
            if DECODER.raw_decode(text, at)[1] > damaged_at:
                return at
    return None
