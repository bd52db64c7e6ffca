"""The ledger: which segments the warehouse has loaded, kept in the warehouse itself.

The rows of a segment and its entry in the ledger commit in one transaction, so a segment is loaded completely
and once, however often a load was started or killed. The ledger goes by shard and position, not by file: a
compacted segment holds what was loaded from the segments that it replaces.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import duckdb

from ingest.contract import Shard
from ingest.manifest import Segment, file_sha256
from warehouse.lake import insert_rows

_CREATE = (
    """
    create table if not exists segments (
        path varchar, shard smallint, first_position bigint, last_position bigint, rows bigint,
        sha256 varchar, status varchar, reason varchar
    )
    """,
    "create table if not exists definitions (model varchar, hash varchar)",
    "create table if not exists reporting (reporting_zone varchar)",
    """
    create table if not exists columns (
        table_name varchar, position bigint, column_name varchar, description varchar
    )
    """,
)


@dataclass(frozen=True)
class Damaged:
    """A segment whose file differs from the manifest. Loads skip it until it is restored."""

    segment: Segment
    reason: str


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger's tables if they do not exist."""
    for statement in _CREATE:
        con.execute(statement)


def reset(con: duckdb.DuckDBPyConnection) -> None:
    """Delete all entries: every segment is loaded again."""
    con.execute("delete from segments")


class Span(NamedTuple):
    """A run of positions in a shard, both ends included."""

    shard: Shard
    first: int
    last: int

    @property
    def rows(self) -> int:
        """Number of positions."""
        return self.last - self.first + 1


Loaded = dict[Shard, list[Span]]
"""Loaded positions by shard: in order, adjacent spans merged."""


def pending_segments(loaded: Loaded, sealed: list[Segment]) -> list[Segment]:
    """Return the segments with events that are not loaded; damaged ones each time again.

    `rows` counts the events that are not loaded: fewer than the file's if it was compacted from segments of
    which some are loaded (`loaded_within` returns the positions to leave out).
    """
    counted = ((segment, _rows_within(loaded, segment)) for segment in sealed)
    return [
        replace(segment, rows=segment.rows - rows) if rows else segment
        for segment, rows in counted
        if rows < segment.rows
    ]


def loaded_spans(con: duckdb.DuckDBPyConnection) -> Loaded:
    """Return the loaded positions."""
    rows = con.execute(
        "select shard, first_position, last_position from segments where status = 'loaded' "
        "order by shard, first_position"
    ).fetchall()
    return merge_spans(rows)


def merge_spans(rows: Iterable[tuple[Shard, int, int]]) -> Loaded:
    """Return spans by shard, adjacent ones merged; `rows` are in order."""
    loaded: Loaded = {}
    for shard, first, last in rows:
        spans = loaded.setdefault(shard, [])
        if spans and first <= spans[-1].last + 1:
            spans[-1] = Span(shard, spans[-1].first, max(last, spans[-1].last))
        else:
            spans.append(Span(shard, first, last))
    return loaded


def loaded_within(loaded: Loaded, segments: Iterable[Segment]) -> list[Span]:
    """Return the positions of `segments` that are loaded already."""
    return [span for segment in segments for span in within(loaded, segment)]


def within(loaded: Loaded, segment: Segment) -> Iterator[Span]:
    """Yield the loaded positions of a segment."""
    spans = loaded.get(segment.shard, [])
    start = bisect_left(spans, segment.first_position, key=itemgetter(2))
    for span in spans[start:]:
        if span.first > segment.last_position:
            return
        first = max(span.first, segment.first_position)
        yield Span(segment.shard, first, min(span.last, segment.last_position))


def gaps(loaded: Loaded, segment: Segment) -> Iterator[Span]:
    """Yield the positions of a segment that are not loaded."""
    position = segment.first_position
    for span in within(loaded, segment):
        if span.first > position:
            yield Span(segment.shard, position, span.first - 1)
        position = span.last + 1
    if position <= segment.last_position:
        yield Span(segment.shard, position, segment.last_position)


def _rows_within(loaded: Loaded, segment: Segment) -> int:
    return sum(span.rows for span in within(loaded, segment))


def inspect(lake: Path, segments: list[Segment]) -> tuple[list[Segment], list[Damaged]]:
    """Split `segments` into intact and damaged ones, by the sha256 of their bytes.

    Parquet does not notice a flipped bit, and DuckDB returned wrong rows for half of them.
    """
    checked = [(segment, _damage(lake / segment.path, segment)) for segment in segments]
    intact = [segment for segment, reason in checked if reason is None]
    return intact, [Damaged(segment, reason) for segment, reason in checked if reason is not None]


def _damage(path: Path, segment: Segment) -> str | None:
    try:
        if file_sha256(path) != segment.sha256:
            return "its bytes are not those that were sealed (sha256 differs)"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
    return None


def record(con: duckdb.DuckDBPyConnection, intact: list[Segment], damaged: list[Damaged]) -> None:
    """Record what this load did with each segment."""
    con.execute("delete from segments where status = 'quarantined'")
    _delete_replaced(con, intact)
    _insert(con, [(segment, "loaded", None) for segment in intact])
    _insert(con, [(each.segment, "quarantined", each.reason) for each in damaged])


def record_compactions(con: duckdb.DuckDBPyConnection, sealed: list[Segment]) -> None:
    """Replace the entries of compacted segments whose events are all loaded."""
    compacted = [segment for segment in sealed if segment.replaces]
    if not compacted:
        return
    known = {row[0] for row in con.execute("select path from segments").fetchall()}
    new = [segment for segment in compacted if segment.path not in known]
    if new:
        loaded = loaded_spans(con)
        complete = [segment for segment in new if _rows_within(loaded, segment) == segment.rows]
        _delete_replaced(con, complete)
        _insert(con, [(segment, "loaded", None) for segment in complete])


def _delete_replaced(con: duckdb.DuckDBPyConnection, segments: list[Segment]) -> None:
    """Delete entries whose positions a compacted segment covers."""
    for segment in segments:
        if segment.replaces:
            con.execute(
                "delete from segments "
                "where shard = ? and first_position >= ? and last_position <= ?",
                [segment.shard, segment.first_position, segment.last_position],
            )


def _insert(con: duckdb.DuckDBPyConnection, entries: list[tuple[Segment, str, str | None]]) -> None:
    insert_rows(con, "segments", [_row(*entry) for entry in entries])


def _row(segment: Segment, status: str, reason: str | None) -> tuple[object, ...]:
    return (
        segment.path,
        segment.shard,
        segment.first_position,
        segment.last_position,
        segment.last_position - segment.first_position + 1,
        segment.sha256,
        status,
        reason,
    )
