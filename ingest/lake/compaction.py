"""Compaction: merges the many small segments of a closed day into one, or a few.

Rows and their order do not change. Compaction writes the new file next to the old ones and reads it back.
Then one line of the manifest, which names the old files and their sha256, replaces them. The old files
stay for a day, because a loader or reader may hold them, and are removed only if the new file is intact.
A crash on the way changes nothing.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.arrow_schema import SCHEMA
from ingest.contract import manifest_path
from ingest.lake.segments import PARQUET, Lake, compacted_path, partial_path, sync
from ingest.manifest import Segment, is_intact, read_manifest

logger = logging.getLogger(__name__)

MARGIN = timedelta(hours=1)
"""Time after the end of a day in UTC before it is compacted."""

GRACE = timedelta(days=1)
"""Time that replaced files stay: a reader of the earlier manifest may still open them."""

ROWS = 1_000_000
BYTES = 256 * 1024 * 1024
"""Maximum rows and bytes of one compacted segment; bytes before compaction."""

ROW_GROUP = 122_880
"""Rows held in memory at once, and DuckDB's own number for a row group."""

LEVEL = 9
"""zstd level: written once, read for years."""

Group = tuple[Segment, ...]


class NotCompactedError(Exception):
    """A file differs from its manifest entry, or a new file does not read back as written.

    Nothing was changed: the old segments are still the record.
    """


def plan(segments: Sequence[Segment], now: datetime) -> list[list[Group]]:
    """Return what can be compacted, by day: adjacent segments that fit into one.

    A day is closed when it ended MARGIN ago and the record continues with a later day. A day that the
    clock returned to has several runs; each is compacted separately.
    """
    return [
        groups
        for _, shard in groupby(segments, key=lambda segment: segment.shard)
        for groups in _plan_shard(list(shard), now)
    ]


def _plan_shard(segments: Sequence[Segment], now: datetime) -> list[list[Group]]:
    runs = [
        list(run)
        for _, run in groupby(segments, key=lambda each: (each.received_on, bool(each.replaces)))
    ]
    days: dict[date, list[Group]] = {}
    for number, run in enumerate(runs):
        day = run[0].received_on
        is_over = datetime.combine(day, time(), UTC) + timedelta(days=1) + MARGIN <= now
        has_later_day = any(later[0].received_on > day for later in runs[number + 1 :])
        if is_over and has_later_day and not run[0].replaces:
            days.setdefault(day, []).extend(_groups(run))
    return [groups for groups in days.values() if groups]


def _groups(run: list[Segment]) -> Iterator[Group]:
    """Split adjacent segments at the maximum size; a single one is no group."""
    start = rows = size = 0
    for end, segment in enumerate(run):
        if rows + segment.rows > ROWS or size + segment.bytes > BYTES:
            yield from _group(run[start:end])
            start, rows, size = end, 0, 0
        rows += segment.rows
        size += segment.bytes
    yield from _group(run[start:])


def _group(segments: list[Segment]) -> Iterator[Group]:
    if len(segments) > 1:
        yield tuple(segments)


def compact(
    lake: Lake, now: datetime, go_on: Callable[[], bool] = lambda: True
) -> Iterator[Segment]:
    """Compact every closed day; yield each new segment when it is part of the record.

    Skips a day with a damaged file. Calls `go_on` between row groups, so that the caller can do urgent
    work; if it returns False, unfinished work is dropped.
    """
    for groups in plan(read_manifest(lake.path)[0], now):
        try:
            _check_files(lake.path, groups)
            for group in groups:
                if not _write(lake.path, group, go_on):
                    return
                yield lake.replace(group, now)
        except NotCompactedError as error:
            logger.warning("%s is not compacted: %s", groups[0][0].received_on, error)


def _check_files(lake: Path, groups: list[Group]) -> None:
    for segment in (segment for group in groups for segment in group):
        _read_checked(lake, segment)


def _read_checked(lake: Path, segment: Segment) -> bytes:
    """Return the bytes of a segment's file. Raises NotCompactedError if they differ from the manifest."""
    try:
        content = (lake / segment.path).read_bytes()
    except FileNotFoundError:
        raise NotCompactedError(f"{segment.path} is missing") from None
    if hashlib.sha256(content).hexdigest() != segment.sha256:
        raise NotCompactedError(f"{segment.path} is not what was sealed (sha256 differs)")
    return content


def _write(lake: Path, group: Group, go_on: Callable[[], bool]) -> bool:
    """Write the rows of `group` to a partial file and read them back; return False if stopped."""
    partial = partial_path(lake / compacted_path(group))
    is_done = False
    try:
        is_done = _write_rows(partial, lake, group, go_on) and _read_back(
            partial, lake, group, go_on
        )
    finally:
        if not is_done:
            partial.unlink(missing_ok=True)
    return is_done


def _write_rows(partial: Path, lake: Path, group: Group, go_on: Callable[[], bool]) -> bool:
    with pq.ParquetWriter(partial, SCHEMA, compression_level=LEVEL, **PARQUET) as writer:
        for table in _row_groups(lake, group):
            if not go_on():
                return False
            writer.write_table(table)
    return True


def _read_back(partial: Path, lake: Path, group: Group, go_on: Callable[[], bool]) -> bool:
    with pq.ParquetFile(partial, page_checksum_verification=True) as file:
        for number, table in enumerate(_row_groups(lake, group)):
            if not go_on():
                return False
            if not file.read_row_group(number).equals(table):
                raise NotCompactedError(f"row group {number} does not read back as it was written")
        if file.metadata.num_rows != sum(segment.rows for segment in group):
            raise NotCompactedError("there are more rows than were written")
    return True


def _row_groups(lake: Path, group: Group) -> Iterator[pa.Table]:
    """Yield the rows of `group` in order of position, ROW_GROUP at a time."""
    waiting = SCHEMA.empty_table()
    for segment in group:
        content = pa.BufferReader(_read_checked(lake, segment))
        waiting = pa.concat_tables([waiting, pq.read_table(content).cast(SCHEMA)])
        while waiting.num_rows >= ROW_GROUP:
            yield waiting.slice(0, ROW_GROUP).combine_chunks()
            waiting = waiting.slice(ROW_GROUP)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def remove_replaced(lake: Path, now: datetime) -> list[Path]:
    """Remove files that were replaced GRACE ago or longer, where the new one is whole.

    Returns what it removed. Safe to repeat, and to kill anywhere.
    """
    segments, _ = read_manifest(lake)
    there = set(lake.glob("events/*/*.parquet"))
    removed: list[Path] = []
    for segment in segments:
        old = [lake / each.path for each in segment.replaces if lake / each.path in there]
        if old and datetime.fromisoformat(segment.sealed_at) + GRACE <= now:
            removed += _remove(lake, segment, old)
    return removed


def _remove(lake: Path, segment: Segment, old: list[Path]) -> list[Path]:
    if not is_intact(lake, segment):
        logger.error("%s is damaged; the segments that it replaced stay", segment.path)
        return []
    # A line that was read may still be on its way to the disk, if its writer died.
    sync(manifest_path(lake))
    for path in old:
        path.unlink()
    return old
