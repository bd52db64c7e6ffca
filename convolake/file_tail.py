"""Reads the lines of a log file while they are written, through rotations and restarts.

A place names the file by its inode and its first bytes, so a file that was renamed is read to its end, and one that was
emptied is read from its start.
"""

import os
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Self

from msgspec import Struct

HEAD_BYTES = 256
CHUNK = 1024 * 1024


class Place(Struct):
    """How far a file was read: its inode, a digest of its first bytes, the bytes and lines before."""

    inode: int
    head: str = ""
    offset: int = 0
    line: int = 0


class Lines(Struct):
    """Whole lines without their ends, the number of the first, and the place after the last."""

    file: Path
    first: int
    lines: list[bytes]
    place: Place


class FileTail:
    """The file at a path, and those that were moved away from it."""

    def __init__(self, path: Path, place: Place | None = None) -> None:
        """Continue at a place, in the file that has it now; without one, at the start of the file.

        `is_gap`: the file of the place is gone, so lines of it may be missing.
        """
        self._path = path
        self._file: BinaryIO | None = None
        self._name, self._place = path, Place(0)
        found = _files_since(path, place)
        self.is_gap = place is not None and not found
        if found:
            self._open(found[0], place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, most: int = CHUNK) -> Lines | None:
        """Return the lines that follow, about `most` bytes; None if no whole line was written yet."""
        while (file := self._file or self._open_at(self._path)) is not None:
            found = self._read(file, most)
            if found is not None:
                return found
            if not self._is_finished():
                return None
            following = _files_since(self._path, self._place)[1:]
            self.close()
            self._open_at(following[0] if following else self._path)
        return None

    def _read(self, file: BinaryIO, most: int) -> Lines | None:
        raw = file.read(most)
        while raw and b"\n" not in raw and (more := file.read(most)):
            raw += more
        end = raw.rfind(b"\n") + 1
        if not end and raw and self._is_finished():
            end = len(raw)  # nothing more is written to a file that was moved away
        file.seek(self._place.offset + end)
        if not end:
            return None
        lines = raw[:end].removesuffix(b"\n").split(b"\n")
        place, offset = self._place, self._place.offset + end
        head = _digest(os.pread(file.fileno(), min(HEAD_BYTES, offset), 0))
        self._place = Place(place.inode, head, offset, place.line + len(lines))
        return Lines(self._name, place.line + 1, lines, self._place)

    def _is_finished(self) -> bool:
        """Return whether a newer file follows the open one, or it was emptied."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return len(_files_since(self._path, self._place)) > 1
        if now.st_ino != self._place.inode:
            return True
        return now.st_size < self._place.offset

    def _open_at(self, path: Path) -> BinaryIO | None:
        """Open a file at its start; None if it does not exist."""
        try:
            return self._open(path, None)
        except FileNotFoundError:
            return None

    def _open(self, path: Path, place: Place | None) -> BinaryIO:
        file = self._file = path.open("rb")
        self._name = path
        self._place = place or Place(os.fstat(file.fileno()).st_ino)
        file.seek(self._place.offset)
        return file

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _files_since(path: Path, place: Place | None) -> list[Path]:
    """Return the file that has the place, and those that were written after it, oldest first."""
    if place is None:
        return []
    files = [
        each
        for each in path.parent.glob(f"{path.name}*")
        if each.is_file() and each.suffix not in (".gz", ".bz2", ".zst", ".xz")
    ]
    files.sort(key=lambda each: (each == path, each.stat().st_mtime_ns, -_number(each)))
    for number, each in enumerate(files):
        now = each.stat()
        if now.st_ino == place.inode and now.st_size >= place.offset and _fits(each, place):
            return files[number:]
    return []


def _number(path: Path) -> int:
    """Return the number at the end of a name: `events.log.2` is older than `events.log.1`."""
    end = path.suffix.removeprefix(".")
    return int(end) if end.isdecimal() else 0


def _fits(path: Path, place: Place) -> bool:
    with path.open("rb") as file:
        return _digest(file.read(min(HEAD_BYTES, place.offset))) == place.head


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=16).hexdigest()
