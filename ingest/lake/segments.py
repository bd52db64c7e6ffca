"""One sealed Parquet file and its line in the manifest.

A file is written under a temporary name, flushed, renamed and its folder flushed; only then
does its manifest line follow, flushed too. A file without a line is not part of the record
(`sweep` removes it), so a crash at any point loses nothing and seals nothing twice. The same
holds for a file that takes the place of several (`ingest.lake.compaction`).
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.arrow_schema import SCHEMA
from ingest.contract import from_micros, manifest_path, segment_path
from ingest.manifest import Segment, file_sha256, read_manifest, sealed_cursor

DICTIONARY = [
    "event_type", "conversation_id", "session_id", "participant_id", "participant_role", "contact_id",
    "channel", "channel_account", "handoff_id", "bot_version", "queue", "visibility", "source",
]  # fmt: skip
"""Columns with repeated values. A dictionary only enlarges the others (ids, texts)."""


DELTA = {
    **dict.fromkeys(
        ("position", "sequence", "occurred_at", "received_at", "committed_at", "happened_at"),
        "DELTA_BINARY_PACKED",
    ),
    **dict.fromkeys(("event_id", "message_id", "in_reply_to", "caused_by"), "DELTA_BYTE_ARRAY"),
}
"""Columns that grow from row to row, UUIDv7 among them: 6 % smaller files, written 5 % faster."""

PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": DICTIONARY,
    "column_encoding": DELTA,
    "write_page_checksum": True,
    "store_schema": False,
}
"""How every segment is written."""

HOT_LEVEL = 3
"""zstd level of a sealed segment; compaction uses a higher one."""


class GapError(RuntimeError):
    """Positions of the log are missing between the lake and the next event."""


class Lake:
    """The writing end of a lake folder. One process at a time (the sealer holds its lock)."""

    def __init__(self, path: Path) -> None:
        """Open the lake after a crash: remove uncommitted files."""
        self.path = path
        self.path.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(manifest_path(path))
        segments, self._chain = read_manifest(path)
        self.cursor = sealed_cursor(segments)
        sweep(path, segments)

    def seal(self, table: pa.Table, sealed_at: datetime) -> list[Segment]:
        """Append `table` (whole events, in order of shard and position) to the record.

        Writes one segment for each run of events of one shard and day. Raises GapError before it
        writes anything if positions of a shard are missing.
        """
        shards = list(_runs_by_shard(table))
        for shard, part in shards:
            _check_positions(part, shard, self.cursor.get(shard, 0))
        return [
            self._seal_one(part, day, sealed_at)
            for _, run in shards
            for day, part in _runs_by_day(run)
        ]

    def _seal_one(self, table: pa.Table, received_on: date, sealed_at: datetime) -> Segment:
        first, last = _span(table)
        shard = int(table["shard"][0].as_py())
        path = self.path / segment_path(received_on, shard, first, last)
        new_folders = [each for each in (path.parent, path.parent.parent) if not each.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table.cast(SCHEMA), partial_path(path), compression_level=HOT_LEVEL, **PARQUET
        )
        settle(path)
        for folder in new_folders:
            sync(folder.parent)
        return self._commit(path, shard, table.num_rows, (first, last), sealed_at)

    def replace(self, old: Sequence[Segment], compacted_at: datetime) -> Segment:
        """Replace `old`, adjacent segments of one day, with a file that was written next to its place.

        A crash before the manifest has the line changes nothing; `old` files stay.
        """
        path = self.path / compacted_path(old)
        settle(path)
        span = old[0].first_position, old[-1].last_position
        rows = sum(segment.rows for segment in old)
        return self._commit(path, old[0].shard, rows, span, compacted_at, tuple(old))

    def _commit(
        self, path: Path, shard: int, rows: int, span: tuple[int, int], at: datetime,
        replaces: tuple[Segment, ...] = (),
    ) -> Segment:  # fmt: skip
        segment = Segment(
            path=path.relative_to(self.path).as_posix(),
            shard=shard,
            first_position=span[0],
            last_position=span[1],
            rows=rows,
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
            sealed_at=at.astimezone(UTC).isoformat(),
            replaces=replaces,
        )
        self._append(segment)
        return segment

    def _append(self, segment: Segment) -> None:
        path = manifest_path(self.path)
        line, self._chain = segment.line(self._chain)
        is_new = not path.exists()
        with path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path)
        sealed = self.cursor.get(segment.shard, 0)
        self.cursor[segment.shard] = max(sealed, segment.last_position)


def sweep(lake: Path, segments: list[Segment]) -> list[Path]:
    """Remove files of seals and compactions that were never committed; returns them."""
    known = {lake / each.path for segment in segments for each in (segment, *segment.replaces)}
    swept = list(lake.glob("events/*/*.tmp"))
    # Only files that an unfinished seal or compaction left.
    # `convolake verify` reports any other file.
    swept += [
        path
        for path in lake.glob("events/*/*.parquet")
        if path not in known and _is_leftover(lake, path, segments)
    ]
    for path in swept:
        path.unlink()
    return swept


def _is_leftover(lake: Path, path: Path, segments: list[Segment]) -> bool:
    """Return whether a file starts right after the record, or covers segments that all exist."""
    shard, first, last = _named_span(path)
    if first == sealed_cursor(segments).get(shard, 0) + 1:
        return True
    covered = [
        each for each in segments if each.shard == shard and first <= each.first_position <= last
    ]
    return (
        len(covered) > 1
        and path == lake / compacted_path(covered)
        and all((lake / each.path).exists() for each in covered)
    )


def compacted_path(old: Sequence[Segment]) -> str:
    """Path of the segment that holds the rows of `old`, below the lake folder."""
    return segment_path(
        old[0].received_on, old[0].shard, old[0].first_position, old[-1].last_position
    )


def _named_span(path: Path) -> tuple[int, int, int]:
    """Return shard, first and last position of a file's name; zeros for another name."""
    parts = path.stem.split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 0, 0, 0
    return int(parts[0]), int(parts[1]), int(parts[2])


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        body = file.read()
        whole = body.rfind(b"\n") + 1
        if whole != len(body):
            file.truncate(whole)
            os.fsync(file.fileno())


def _span(table: pa.Table) -> tuple[int, int]:
    positions = table["position"]
    return int(positions[0].as_py()), int(positions[-1].as_py())


def _check_positions(table: pa.Table, shard: int, sealed: int) -> None:
    first, last = _span(table)
    if first != sealed + 1 or last - first + 1 != table.num_rows:
        raise GapError(
            f"shard {shard} of the lake ends at position {sealed}, the log continues with {first} to "
            f"{last} in {table.num_rows} rows; `convolake verify` shows which positions are missing"
        )


def _runs_by_shard(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    return _runs(table, table["shard"].cast(pa.int64()))


def _runs_by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Split into consecutive rows received on the same UTC day. Keeps the order of positions."""
    days = pc.cast(pc.floor_temporal(table["received_at"], unit="day"), pa.int64())
    for day, part in _runs(table, days):
        yield from_micros(day).date(), part


def _runs(table: pa.Table, keys: "pa.ChunkedArray[Any]") -> Iterator[tuple[int, pa.Table]]:
    """Split into consecutive rows of the same key."""
    encoded = pc.run_end_encode(keys.combine_chunks())  # type: ignore[attr-defined]
    start = 0
    for end, key in zip(encoded.run_ends.to_pylist(), encoded.values.to_pylist(), strict=True):
        yield key, table.slice(start, end - start)
        start = end


def partial_path(path: Path) -> Path:
    """Return where a file is written before it gets its name."""
    return path.with_suffix(".tmp")


def settle(path: Path) -> None:
    """Rename a complete file into place, and flush its folder: it survives a power cut."""
    with partial_path(path).open("rb") as file:
        os.fsync(file.fileno())
    partial_path(path).rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
