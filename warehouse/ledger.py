"""Which segments the warehouse holds, kept in the warehouse itself.

The rows of a segment and its line in this ledger commit in one transaction, so a segment is
loaded wholly and once, however often a load was started or killed. What is loaded is told by
position, not by file: a compacted segment holds what was loaded from those it replaces.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import duckdb

from ingest.manifest import Segment, file_sha256

_CREATE = (
    """
    create table if not exists segments (
        path varchar, shard smallint, first_position bigint, last_position bigint, rows bigint,
        sha256 varchar, status varchar, reason varchar
    )
    """,
    "create table if not exists definition (hash varchar, reporting_zone varchar)",
)


@dataclass(frozen=True)
class Damaged:
    """A segment that is not what the manifest says; it is left out until it is again."""

    segment: Segment
    reason: str


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Make the ledger's tables if they are not there."""
    for statement in _CREATE:
        con.execute(statement)


def has_definition(con: duckdb.DuckDBPyConnection, definition: str) -> bool:
    """Whether the tables were built by these models in this zone (`model.definition_hash`)."""
    return con.execute("select hash from definition").fetchall() == [(definition,)]


def start_anew(con: duckdb.DuckDBPyConnection, definition: str, reporting_zone: str) -> bool:
    """Forget what is loaded and write down what builds it from now on; whether there was anything."""
    found = con.execute("delete from definition").fetchone()
    con.execute("delete from segments")
    con.execute("insert into definition values (?, ?)", [definition, reporting_zone])
    return bool(found and found[0])


Span = tuple[int, int]
"""First and last position, both in it."""


def waiting(con: duckdb.DuckDBPyConnection, sealed: list[Segment]) -> list[Segment]:
    """Segments of the manifest with events that are not loaded; damaged ones each time again.

    `rows` are those that are not loaded: fewer than the file's if it was compacted from segments
    of which some are loaded (`loaded_within` tells which positions are to be left out).
    """
    spans = loaded_spans(con)
    found = ((segment, _rows_within(spans, segment)) for segment in sealed)
    return [
        replace(segment, rows=segment.rows - rows) if rows else segment
        for segment, rows in found
        if rows < segment.rows
    ]


def loaded_spans(con: duckdb.DuckDBPyConnection) -> list[Span]:
    """Positions that are loaded, in order, neighbours joined."""
    rows = con.execute(
        "select first_position, last_position from segments where status = 'loaded' order by 1"
    ).fetchall()
    joined: list[Span] = []
    for first, last in rows:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def loaded_within(con: duckdb.DuckDBPyConnection, segments: Iterable[Segment]) -> list[Span]:
    """Positions in `segments` that are loaded already."""
    spans = loaded_spans(con)
    return [span for segment in segments for span in within(spans, segment)]


def within(spans: list[Span], segment: Segment) -> Iterator[Span]:
    """The parts of `spans` that lie in `segment`."""
    start = bisect_left(spans, segment.first_position, key=itemgetter(1))
    for first, last in spans[start:]:
        if first > segment.last_position:
            return
        yield max(first, segment.first_position), min(last, segment.last_position)


def gaps(spans: list[Span], segment: Segment) -> Iterator[Span]:
    """The parts of `segment` that lie in none of `spans`."""
    position = segment.first_position
    for first, last in within(spans, segment):
        if first > position:
            yield position, first - 1
        position = last + 1
    if position <= segment.last_position:
        yield position, segment.last_position


def _rows_within(spans: list[Span], segment: Segment) -> int:
    return sum(last - first + 1 for first, last in within(spans, segment))


def inspect(lake: Path, segments: list[Segment]) -> tuple[list[Segment], list[Damaged]]:
    """Split `segments` into good ones and damaged ones, by the sha256 of their bytes.

    Parquet does not notice a flipped bit, and DuckDB returned wrong rows for half of them.
    """
    found = [(segment, _damage(lake / segment.path, segment)) for segment in segments]
    good = [segment for segment, reason in found if reason is None]
    return good, [Damaged(segment, reason) for segment, reason in found if reason is not None]


def _damage(path: Path, segment: Segment) -> str | None:
    try:
        if file_sha256(path) != segment.sha256:
            return "its bytes are not those that were sealed (sha256 differs)"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
    return None


def record(con: duckdb.DuckDBPyConnection, good: list[Segment], damaged: list[Damaged]) -> None:
    """Write down what this load did with each segment."""
    con.execute("delete from segments where status = 'quarantined'")
    _forget_parts(con, good)
    _insert(con, [(segment, "loaded", None) for segment in good])
    _insert(con, [(each.segment, "quarantined", each.reason) for each in damaged])


def follow(con: duckdb.DuckDBPyConnection, sealed: list[Segment]) -> None:
    """Let a compacted segment, whose events are all loaded, stand for those it replaced."""
    known = {row[0] for row in con.execute("select path from segments").fetchall()}
    new = [segment for segment in sealed if segment.replaces and segment.path not in known]
    if new:
        spans = loaded_spans(con)
        whole = [segment for segment in new if _rows_within(spans, segment) == segment.rows]
        _forget_parts(con, whole)
        _insert(con, [(segment, "loaded", None) for segment in whole])


def _forget_parts(con: duckdb.DuckDBPyConnection, segments: list[Segment]) -> None:
    """Segments replace each other along the same positions, so what lies in one is part of it."""
    for segment in segments:
        if segment.replaces:
            con.execute(
                "delete from segments where first_position >= ? and last_position <= ?",
                [segment.first_position, segment.last_position],
            )


def _insert(con: duckdb.DuckDBPyConnection, entries: list[tuple[Segment, str, str | None]]) -> None:
    rows = [_row(*entry) for entry in entries]
    if rows:
        con.executemany("insert into segments values (?, ?, ?, ?, ?, ?, ?, ?)", rows)


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
