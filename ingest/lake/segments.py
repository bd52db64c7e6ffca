"""One sealed Parquet file and its line in the manifest.

A file is written under a temporary name, flushed, renamed and its folder flushed; only then
does its manifest line follow, flushed too. A file without a line is not part of the record
(`sweep` removes it), so a crash at any point loses nothing and seals nothing twice.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.contract import (
    SCHEMA,
    Segment,
    file_sha256,
    from_micros,
    manifest_path,
    read_manifest,
    segment_path,
)

DICTIONARY = [
    "event_type", "conversation_id", "session_id", "participant_id", "participant_role", "contact_id",
    "channel", "channel_account", "handoff_id", "bot_version", "queue", "visibility", "source",
]  # fmt: skip
"""Columns that repeat; the others (ids, texts) only grow when a dictionary is tried."""


class HoleError(RuntimeError):
    """Positions of the log are missing between what is sealed and what comes next."""


class Lake:
    """The writing end of a lake folder. One process at a time (the sealer holds its lock)."""

    def __init__(self, path: Path) -> None:
        """Open the lake as the last crash left it: drop what was never committed."""
        self.path = path
        self.path.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(manifest_path(path))
        segments, self._chain = read_manifest(path)
        self.last_position = segments[-1].last_position if segments else 0
        sweep(path, segments)

    def seal(self, table: pa.Table, sealed_at: datetime) -> list[Segment]:
        """Make `table` (whole events, in order of position) part of the record.

        One segment for each run of events received on one day. Raises HoleError, having written
        nothing, if the table does not begin where the record ends or has a hole itself.
        """
        _check_positions(table, self.last_position)
        return [self._seal_one(part, day, sealed_at) for day, part in _runs_by_day(table)]

    def _seal_one(self, table: pa.Table, received_on: date, sealed_at: datetime) -> Segment:
        first, last = _span(table)
        shard = int(table["shard"][0].as_py())
        name = segment_path(received_on, shard, first, last)
        path = self.path / name
        _write_durably(table, path)
        segment = Segment(
            path=name,
            shard=shard,
            first_position=first,
            last_position=last,
            rows=table.num_rows,
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
            sealed_at=sealed_at.astimezone(UTC).isoformat(),
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
            _sync_folder(self.path)
        self.last_position = segment.last_position


def sweep(lake: Path, segments: list[Segment]) -> list[Path]:
    """Remove files of seals that were never committed; returns them."""
    sealed = {lake / segment.path for segment in segments}
    last = segments[-1].last_position if segments else 0
    swept = list(lake.glob("events/*/*.tmp"))
    # Only what a seal of ours would have left: a file that begins right after the record.
    # Anything else is not ours to remove; `convolake verify` reports it.
    swept += [
        path
        for path in lake.glob("events/*/*.parquet")
        if path not in sealed and _first_position(path) == last + 1
    ]
    for path in swept:
        path.unlink()
    return swept


def _first_position(path: Path) -> int:
    parts = path.stem.split("-")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0


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


def _check_positions(table: pa.Table, last_position: int) -> None:
    first, last = _span(table)
    if first != last_position + 1 or last - first + 1 != table.num_rows:
        raise HoleError(
            f"the record ends at position {last_position}, the log goes on with {first} to {last} "
            f"in {table.num_rows} rows; `convolake verify` shows where positions are missing"
        )


def _runs_by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Consecutive rows received on the same UTC day. Order of position stays."""
    days = pc.cast(pc.floor_temporal(table["received_at"], unit="day"), pa.int64())
    encoded = pc.run_end_encode(days.combine_chunks())  # type: ignore[attr-defined]
    start = 0
    for end, day in zip(encoded.run_ends.to_pylist(), encoded.values.to_pylist(), strict=True):
        yield from_micros(day).date(), table.slice(start, end - start)
        start = end


def _write_durably(table: pa.Table, path: Path) -> None:
    new_folders = [folder for folder in (path.parent, path.parent.parent) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    pq.write_table(
        table.cast(SCHEMA),
        partial,
        compression="zstd",
        compression_level=3,
        use_dictionary=DICTIONARY,  # type: ignore[arg-type]
        write_page_checksum=True,
        store_schema=False,
    )
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)
    _sync_folder(path.parent)
    for folder in new_folders:
        _sync_folder(folder.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
