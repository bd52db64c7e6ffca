"""The part of `verify` that compares the warehouse with the lake, value by value.

It reads one snapshot, taken before the manifest is read: events loaded later are not in it, and its events are
in the manifest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.manifest import Segment
from warehouse import incremental, ledger
from warehouse.lake import catalog_path, connect
from warehouse.model import SOURCE, Model, by_conversation, by_day, models

Span = ledger.Span


@dataclass
class Check:
    """One check. `detail`: the figures, or the damaged place."""

    name: str
    ok: bool
    detail: str


@contextmanager
def snapshot(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Yield the current snapshot of the warehouse; None if nothing was ever loaded."""
    if not catalog_path(warehouse).exists():
        yield None
        return
    with connect(warehouse) as con:
        con.execute("begin")
        tables = con.execute(
            "select table_name from duckdb_tables() where database_name = 'lake'"
        ).fetchall()
        yield con if ("segments",) in tables else None


def unloaded(con: duckdb.DuckDBPyConnection | None, segments: list[Segment]) -> list[Span]:
    """Return the positions that are sealed and not loaded."""
    loaded = {} if con is None else ledger.loaded_spans(con)
    return [span for segment in segments for span in ledger.gaps(loaded, segment)]


def check_warehouse(
    con: duckdb.DuckDBPyConnection | None,
    lake: Path,
    segments: list[Segment],
    good: list[Segment],
    reporting_zone: str,
) -> Iterator[Check]:
    """Compare the snapshot `con` with `segments`, of which `good` are whole."""
    if con is None:
        yield Check("warehouse", ok=not segments, detail="not there yet; `convolake load` makes it")
        return
    spans = ledger.loaded_spans(con)
    present = [segment for segment in good if any(ledger.within(spans, segment))]
    zone = con.execute("select reporting_zone from reporting").fetchone()
    incremental.create_source(con, lake, present, zone[0] if zone else reporting_zone)
    incremental.exclude_loaded(con, unloaded(con, present) if present else [])
    yield _check_events(con, segments)
    with incremental.capped_events(con):
        for model in (*by_conversation(), *by_day()):
            yield _check_model(con, model)


def _check_events(con: duckdb.DuckDBPyConnection, segments: list[Segment]) -> Check:
    name = "Parquet and warehouse hold the same events"
    loaded = dict(
        con.execute("select path, sha256 from segments where status = 'loaded'").fetchall()
    )
    sealed_as = [each for segment in segments for each in (segment, *segment.replaces)]
    if any(loaded.get(each.path, each.sha256) != each.sha256 for each in sealed_as):
        detail = "a segment was loaded from other bytes; delete the warehouse and load"
        return Check(name, ok=False, detail=detail)
    stores = [model for model in models() if model.load_by == "append"]
    sealed = _count(con, exp.to_table(SOURCE))
    stored, rejected = (
        _count(con, incremental.stored_table(name)) for name in ("events", "rejected_events")
    )
    differing = sum(_differing(con, model) for model in stores)
    detail = f"{sealed:,} sealed, {stored:,} loaded, {differing:,} differ"
    if rejected:
        detail += f"; {rejected:,} are in rejected_events, with the reason"
    return Check(name, ok=sealed == stored + rejected and differing == 0, detail=detail)


def _check_model(con: duckdb.DuckDBPyConnection, model: Model) -> Check:
    """Compute a model again from the tables that it reads, which were checked before it."""
    differing = _differing(con, model)
    rows = _count(con, incremental.stored_table(model.name))
    detail = f"{model.name}: {rows:,} rows, {differing:,} differ from their events"
    return Check(f"{model.name} match their events", ok=differing == 0, detail=detail)


def _differing(con: duckdb.DuckDBPyConnection, model: Model) -> int:
    """Return the rows that should not be stored, and the rows that are missing."""
    computed = exp.select("*").from_(model.query.copy().subquery("computed"))
    sides = computed, exp.select("*").from_(incremental.stored_table(model.name))
    return sum(
        _count(con, exp.except_(left.copy(), right.copy(), distinct=False).subquery("differing"))
        for left, right in (sides, sides[::-1])
    )


def _count(con: duckdb.DuckDBPyConnection, relation: exp.Expression) -> int:
    query = exp.select(exp.Count(this=exp.Star())).from_(relation)
    found = con.execute(query.sql("duckdb")).fetchone()
    return int(found[0]) if found else 0
