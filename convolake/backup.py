"""Backup and restore of a data folder: the store, the lake, and the saved filters. The warehouse is derived.

A backup has every event that was acknowledged before it started. It copies the manifest before the
store, so that its lake is never ahead of its log; a restore seals the rest again. Writers never wait:
segments never change, the manifest only grows, and SQLite's own backup reads one snapshot.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from dashboards.conversations.saved_filters import FILE as SAVED_FILTERS
from ingest.contract import manifest_path
from ingest.lake.segments import sync
from ingest.manifest import Segment, file_sha256, read_manifest, sealed_cursor
from ingest.settings import Settings

CONTENTS = "backup.json"
"""Names every file with its sha256; written last, so a folder without it is no backup."""

STORE = "log.sqlite"
LAKE = "lake"
CHUNK = 1 << 20

FORMAT_VERSION = 2
"""Version of the contents file. 1 named `events` and `sealed_events` by their positions."""


class BackupError(Exception):
    """A backup cannot be made here, or a folder cannot be restored."""


@dataclass(frozen=True)
class Contents:
    """The contents of a backup: numbers of events, and the sha256 of each file by path."""

    made_at: str
    events: int
    sealed_events: int
    files: dict[str, str]
    format_version: int = FORMAT_VERSION


def back_up(
    settings: Settings, folder: Path, now: datetime, on_file: Callable[[], None] = lambda: None
) -> Contents:
    """Copy the record into `folder`, which must be empty or missing; safe while others write.

    Never call it in a process that reads the store with ADBC. Raises BackupError, ManifestError.
    """
    if not settings.database_url.startswith("sqlite:///"):
        raise BackupError("the store is not SQLite: back it up with the database's own tools")
    if not settings.store_path.exists():
        raise BackupError(f"there is no log in {settings.data}")
    _require_empty(folder)
    (folder / LAKE).mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    segments = _copy_manifest(settings.lake_path, folder / LAKE)
    for segment in segments:
        files[f"{LAKE}/{segment.path}"] = _copy_segment(settings.lake_path, folder, segment)
        on_file()
    last = _copy_store(settings.store_path, folder / STORE)
    on_file()
    for name in (STORE, *(each for each in [f"{LAKE}/manifest.jsonl"] if segments)):
        files[name] = file_sha256(folder / name)
    if (saved := settings.data / SAVED_FILTERS).exists():
        files[SAVED_FILTERS] = _copy(saved, folder / SAVED_FILTERS)
    sealed = sum(sealed_cursor(segments).values())
    contents = Contents(now.astimezone(UTC).isoformat(), last, sealed, files)
    _sync_folders(folder)
    _write_durably(folder / CONTENTS, json.dumps(asdict(contents), indent=1).encode() + b"\n")
    return contents


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not empty; name another folder, or empty this one")


def _copy_manifest(lake: Path, target: Path) -> list[Segment]:
    """Copy the whole lines of the manifest and return the verified segments that they name."""
    if not manifest_path(lake).exists():
        return []
    content = manifest_path(lake).read_bytes()
    _write_durably(manifest_path(target), content[: content.rfind(b"\n") + 1])
    return read_manifest(target)[0]


def _copy_segment(lake: Path, folder: Path, segment: Segment) -> str:
    try:
        found = _copy(lake / segment.path, folder / LAKE / segment.path)
    except FileNotFoundError:
        found = "missing"
    if found != segment.sha256:
        raise BackupError(
            f"{segment.path} is damaged or missing; restore it from an older backup, or move "
            "the lake away, and the log is sealed again. This backup is not complete"
        )
    return found


def _copy_store(store: Path, target: Path) -> int:
    """Copy one snapshot of the store; return its number of events."""
    source = f"file:{quote(str(store.resolve()))}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True, timeout=30)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)  # in one step: in several it would start over at every commit
        copy.execute("pragma journal_mode = delete")  # one file, without a write-ahead log
        (last,) = copy.execute("select count(*) from events").fetchone()
    sync(target)
    return last or 0


def restore(
    settings: Settings, folder: Path, on_file: Callable[[], None] = lambda: None
) -> Contents:
    """Put a backup into the data folder, which must be empty or missing.

    Every checksum is checked before anything is written. Raises BackupError.
    """
    _require_empty(settings.data)
    if not settings.database_url.startswith("sqlite:///") or settings.store_path.exists():
        raise BackupError(f"cannot put a store at {settings.database_url}")
    contents = read_contents(folder)
    for name, sha256 in contents.files.items():
        if not (folder / name).is_file() or file_sha256(folder / name) != sha256:
            raise BackupError(f"{name} is missing or not what was backed up; nothing was restored")
        on_file()
    for name, target in _targets(settings, contents):
        _copy(folder / name, target)
    _sync_folders(settings.data)
    return contents


def read_contents(folder: Path) -> Contents:
    """Return the contents of the backup in `folder`. Raises BackupError if it is not a backup."""
    try:
        contents = Contents(**_upcast(json.loads((folder / CONTENTS).read_bytes())))
        names = [PurePosixPath(name) for name in contents.files]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BackupError(f"{folder} is not a whole backup: no good {CONTENTS} in it") from error
    inside = all(
        (name.parts[0] == LAKE and ".." not in name.parts) or str(name) in (STORE, SAVED_FILTERS)
        for name in names
    )
    if contents.format_version != FORMAT_VERSION or not inside or STORE not in contents.files:
        raise BackupError(f"{folder / CONTENTS} is not one that this version can restore")
    return contents


def _upcast(values: dict[str, Any]) -> dict[str, Any]:
    """Convert contents of format version 1 to the current one."""
    if values.get("format_version") != 1:
        return values
    names = {"last_position": "events", "sealed_position": "sealed_events"}
    renamed = {names.get(name, name): value for name, value in values.items()}
    return {**renamed, "format_version": FORMAT_VERSION}


def _targets(settings: Settings, contents: Contents) -> Iterator[tuple[str, Path]]:
    """Yield the target of each file; the store last: a folder without it is not a record."""
    if SAVED_FILTERS in contents.files:
        yield SAVED_FILTERS, settings.data / SAVED_FILTERS
    for name in contents.files:
        if name.startswith(f"{LAKE}/"):
            yield name, settings.lake_path / PurePosixPath(name).relative_to(LAKE)
    yield STORE, settings.store_path


def _copy(source: Path, target: Path) -> str:
    """Copy a file, flush it, and return the sha256 of what was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as old, target.open("xb") as new:
        while chunk := old.read(CHUNK):
            digest.update(chunk)
            new.write(chunk)
        new.flush()
        os.fsync(new.fileno())
    return digest.hexdigest()


def _write_durably(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".tmp")
    partial.write_bytes(content)
    sync(partial)
    partial.rename(path)
    sync(path.parent)


def _sync_folders(root: Path) -> None:
    for folder in [*(path for path in root.rglob("*") if path.is_dir()), root, root.parent]:
        sync(folder)
