"""Lines of a file, plain or gzipped, in bounded memory; what cannot be read is damage with its place."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ingest.importers.base import Damage

MAX_LINE = 4 * 1024 * 1024
"""Bytes of a line. An event has at most 256 KiB, a dialogue with its annotations more."""

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def byte_lines(path: Path, *, keep_empty: bool = False) -> Iterator[tuple[str, bytes | Damage]]:
    """Yield the lines with their places, without empty ones unless `keep_empty`. Raises OSError."""
    number = 0
    with open_binary(path) as file:
        try:
            for number, line in enumerate(_bounded(file), 1):
                place = f"line {number}"
                if line is None:
                    yield place, Damage(place, f"longer than {MAX_LINE:,} bytes")
                elif keep_empty or line.strip():
                    yield place, line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            place = f"line {number + 1}"
            yield place, Damage(place, f"damaged gzip, the rest cannot be read: {error}")


def text_lines(path: Path, encoding: str | None = None) -> Iterator[tuple[str, str | Damage]]:
    """Yield all lines as text without line end, with their places.

    A file is UTF-8, or UTF-16 with a byte order mark. A line that is neither is read as `encoding`, or is
    damage. Raises OSError.
    """
    with open_binary(path) as file:
        try:
            wide = _UTF16.get(file.read(2))
        except (gzip.BadGzipFile, EOFError, zlib.error):
            wide = None
    lines = _wide_lines(path, wide) if wide else byte_lines(path, keep_empty=True)
    for place, line in lines:
        if isinstance(line, Damage):
            yield place, line
            continue
        text = decode(line.removeprefix(codecs.BOM_UTF8), encoding)
        yield (
            place,
            Damage(place, "not UTF-8; --encoding names another one") if text is None else text,
        )


def decode(raw: bytes, encoding: str | None) -> str | None:
    """Return a line as text without its line end; None if it has neither encoding."""
    for each in ("utf-8", encoding):
        try:
            if each is not None:
                return raw.decode(each).rstrip("\r\n")
        except UnicodeDecodeError:
            continue
    return None


def open_binary(path: Path) -> BinaryIO:
    """Open a file, through gzip if its name says so. Raises OSError."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _bounded(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line; None for one that is too long."""
    while line := file.readline(MAX_LINE + 1):
        is_long = len(line) > MAX_LINE
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)
        yield None if is_long else line


def _wide_lines(path: Path, encoding: str) -> Iterator[tuple[str, bytes | Damage]]:
    """Yield the lines of a UTF-16 file as UTF-8."""
    with path.open(encoding=encoding, errors="replace", newline="\n") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            text = line.removeprefix("\ufeff")
            yield f"line {number}", text.encode("utf-8", "replace")
