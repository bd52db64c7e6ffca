"""The files of an export, in a folder or in a zip archive. Nothing is unpacked to disk, and all sizes are bounded."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from ingest.importers.base import Damage

MAX_MEMBER = 256 * 1024 * 1024
"""Bytes of one file, declared or real."""

MAX_MEMBERS = 200_000
MAX_RATIO = 200
"""Highest compression of a file over 1 MiB; chats reach about 20."""


class Files(Protocol):
    """The files of an export."""

    def names(self) -> Iterator[str | Damage]:
        """Yield the paths of the files, in order, below the export's own folder."""

    def read(self, name: str) -> bytes | Damage:
        """Return the content of a file."""


def open_files(path: Path) -> "Files | Damage":
    """Return the files of a folder or of a zip archive. Raises OSError."""
    if path.is_dir():
        return FolderFiles(path)
    try:
        return ZipFiles(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return Damage("whole file", f"neither a folder nor a zip archive: {error}")


class FolderFiles:
    """Files below a folder; links are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterator[str | Damage]:
        """Yield the paths of the files."""
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.is_symlink():
                yield Damage(name, "a link is not followed")
            elif path.is_file():
                yield name

    def read(self, name: str) -> bytes | Damage:
        """Return the content of a file. Raises OSError."""
        with (self._folder / name).open("rb") as file:
            content = file.read(MAX_MEMBER + 1)
        return content if len(content) <= MAX_MEMBER else _too_long(name)


class ZipFiles:
    """Files of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {each.filename: each for each in archive.infolist() if not each.is_dir()}
        self._root = _common_root(self._members)

    def names(self) -> Iterator[str | Damage]:
        """Yield the paths of the files."""
        if len(self._members) > MAX_MEMBERS:
            yield Damage("whole file", f"more than {MAX_MEMBERS:,} files")
            return
        for name in sorted(self._members):
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                yield Damage(name[:200], "its path leads out of the archive")
            elif not name.startswith("__MACOSX/"):
                yield name.removeprefix(self._root)

    def read(self, name: str) -> bytes | Damage:
        """Return the content of a file."""
        member = self._members[self._root + name]
        if member.file_size > MAX_MEMBER:
            return _too_long(name)
        if member.file_size > max(2**20, MAX_RATIO * member.compress_size):
            return Damage(name, f"compressed more than {MAX_RATIO} times")
        try:
            with self._archive.open(member) as file:
                content = file.read(MAX_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError):
            return Damage(name, "damaged, encrypted or compressed in an unknown way")
        return content if len(content) <= MAX_MEMBER else _too_long(name)


def _too_long(name: str) -> Damage:
    return Damage(name, f"longer than {MAX_MEMBER:,} bytes")


def _common_root(names: Iterable[str]) -> str:
    """Return the folder that holds the export's folders, with its slash, or nothing."""
    own = [name for name in names if not name.startswith("__MACOSX/")]
    roots = {name.partition("/")[0] for name in own}
    root = next(iter(roots)) if len(roots) == 1 else ""
    is_above_folders = any(name.count("/") >= 2 for name in own)
    is_root = root not in {"", ".", ".."} and is_above_folders
    return f"{root}/" if is_root else ""
