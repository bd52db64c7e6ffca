"""Which segments the warehouse holds, kept in the warehouse itself.

The rows of a segment and its line in this ledger commit in one transaction, so a segment is
loaded wholly and once, however often a load was started or killed.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingest.contract import Segment, file_sha256

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


def waiting(con: duckdb.DuckDBPyConnection, sealed: list[Segment]) -> list[Segment]:
    """Segments of the manifest that are not loaded; damaged ones are tried again each time."""
    loaded = {
        row[0]
        for row in con.execute("select path from segments where status = 'loaded'").fetchall()
    }
    return [segment for segment in sealed if segment.path not in loaded]


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
    rows = [_row(segment, "loaded", None) for segment in good]
    rows += [_row(each.segment, "quarantined", each.reason) for each in damaged]
    if rows:
        con.execute(
            "delete from segments where path in (select unnest($paths))",
            {"paths": [row[0] for row in rows]},
        )
        con.executemany("insert into segments values (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _row(segment: Segment, status: str, reason: str | None) -> tuple[object, ...]:
    return (
        segment.path,
        segment.shard,
        segment.first_position,
        segment.last_position,
        segment.rows,
        segment.sha256,
        status,
        reason,
    )
