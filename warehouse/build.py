"""Builds the models: all waiting segments, all models, one transaction.

Readers see the warehouse before a load or after it, never half of one. Only conversations
with new events are rebuilt, and only the days on which they were active.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.manifest import Segment, read_manifest
from warehouse import incremental, ledger
from warehouse.checks import CheckError, check_key, run_checks
from warehouse.lake import connect, transaction, write_lock
from warehouse.ledger import Damaged
from warehouse.model import Model, columns_read, definition_hash, models

logger = logging.getLogger(__name__)


@dataclass
class LoadReport:
    """The result of a load; `rows` are those written, by model."""

    segments: int = 0
    events: int = 0
    conversations: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    rebuilt: bool = False
    damaged: list[Damaged] = field(default_factory=list)


def load(lake: Path, warehouse: Path, reporting_zone: str) -> LoadReport:
    """Bring the warehouse up to the manifest of `lake`. Safe to repeat, and to kill anywhere.

    Raises ManifestError, WarehouseBusyError, CheckError; the warehouse is then as it was before.
    """
    started = time.perf_counter()
    with (
        write_lock(warehouse),
        connect(warehouse, read_only=False) as con,
        transaction(con, warehouse),
    ):
        report = _load(con, lake, reporting_zone)
    report.seconds = time.perf_counter() - started
    return report


def _load(con: duckdb.DuckDBPyConnection, lake: Path, reporting_zone: str) -> LoadReport:
    rebuilt = _drop_outdated_tables(con, reporting_zone)
    sealed, _ = read_manifest(lake)
    waiting = ledger.pending_segments(con, sealed)
    good, damaged = ledger.inspect(lake, waiting)
    for each in damaged:
        logger.error("segment %s is quarantined: %s", each.segment.path, each.reason)
    report = LoadReport(segments=len(good), rebuilt=rebuilt, damaged=damaged)
    incremental.create_source(con, lake, good, reporting_zone)
    incremental.exclude_loaded(con, ledger.loaded_within(con, good))
    _create_tables(con)
    if good:
        _build(con, report, good)
    ledger.record(con, good, damaged)
    ledger.record_compactions(con, sealed)
    return report


def _drop_outdated_tables(con: duckdb.DuckDBPyConnection, reporting_zone: str) -> bool:
    """Drop all tables if the models or the zone have changed; return whether anything was dropped."""
    ledger.create(con)
    if ledger.has_definition(con, definition_hash(reporting_zone)):
        return False
    for model in models():
        con.execute(
            exp.Drop(tables=[incremental.stored_table(model.name)], kind="TABLE", exists=True).sql(
                "duckdb"
            )
        )
    return ledger.reset(con, definition_hash(reporting_zone), reporting_zone)


def _create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create missing tables, with the comments of their headers."""
    existing = {
        row[0]
        for row in con.execute(
            "select table_name from duckdb_tables() where database_name = 'lake'"
        ).fetchall()
    }
    for model in models():
        if model.name in existing:
            continue
        empty = exp.select("*").from_(model.query.copy().subquery("built")).limit(0)
        con.execute(
            exp.Create(
                this=incremental.stored_table(model.name), kind="TABLE", expression=empty
            ).sql("duckdb")
        )
        _publish(con, model)


def _publish(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Store the header as comments on the table and its columns."""
    table = incremental.stored_table(model.name).sql("duckdb")
    con.execute(f"comment on table {table} is {_literal(model.grain)}")
    for name, meaning in model.columns.items():
        con.execute(f"comment on column {table}.{exp.to_identifier(name)} is {_literal(meaning)}")


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def _build(con: duckdb.DuckDBPyConnection, report: LoadReport, segments: list[Segment]) -> None:
    is_first = con.execute("select 1 from events limit 1").fetchone() is None
    report.conversations = incremental.collect_changed(con)
    events = next(model for model in models() if model.load_by == "append")
    report.rows[events.name] = report.events = _append(con, events, segments)
    if is_first:
        _build_all(con, report)
    elif report.conversations:
        _build_changed(con, report, events, segments)


def _build_all(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    """Build every model from all events: the warehouse was empty."""
    for model in models():
        if model.load_by != "append":
            report.rows[model.name] = _insert(con, model, model.query.copy())
            check_key(con, model)
    _run_checks(con, report)


def _build_changed(
    con: duckdb.DuckDBPyConnection, report: LoadReport, events: Model, segments: list[Segment]
) -> None:
    """Rebuild the changed conversations, then the days on which they were active."""
    days = incremental.candidate_days(con, _new_positions(segments))
    # All columns cost more the longer the history: row groups are read to find few rows.
    stored = exp.select(*columns_read(events)).from_(incremental.stored_table(events.name))
    incremental.replace_model(con, events, stored.where(incremental.of_changed(events, days)))
    for model in models():
        if model.load_by == "conversation_id":
            incremental.replace_model(con, model, model.query.copy())
            check_key(con, model)
            _delete(con, model, incremental.of_changed(model, days))
            report.rows[model.name] = _insert(con, model, exp.select("*").from_(model.name))
    _run_checks(con, report)
    _build_days(con, report, incremental.active_days(con))


def _build_days(con: duckdb.DuckDBPyConnection, report: LoadReport, days: list[date]) -> None:
    incremental.restore_models(con, models())
    for model in models():
        if model.load_by == "conversation_id":
            stored = exp.select("*").from_(incremental.stored_table(model.name))
            incremental.replace_model(
                con, model, stored.where(incremental.on_days(model.day, days)), kind="VIEW"
            )
    for model in models():
        if model.load_by == "active_on":
            _delete(con, model, incremental.on_days(model.day, days))
            report.rows[model.name] = _insert(con, model, model.query.copy())
            check_key(con, model, incremental.on_days(model.day, days))


def _run_checks(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    if not report.damaged:  # a segment that is left out leaves holes, and they are known
        run_checks(con)


def _delete(con: duckdb.DuckDBPyConnection, model: Model, where: exp.Condition) -> None:
    con.execute(exp.delete(incremental.stored_table(model.name), where=where).sql("duckdb"))


def _append(con: duckdb.DuckDBPyConnection, model: Model, segments: list[Segment]) -> int:
    """Add the waiting events; raise CheckError unless they are exactly those of the manifest."""
    rows = _insert(con, model, model.query.copy())
    expected = sum(segment.rows for segment in segments)
    if rows != expected:
        raise CheckError("a load adds the rows that the manifest names", [(rows, expected)])
    check_key(con, model, _new_positions(segments))
    return rows


def _new_positions(segments: list[Segment]) -> exp.Condition:
    """Select the rows of each shard from its first new position on."""
    first: dict[int, int] = {}
    for segment in segments:
        position = segment.first_position
        first[segment.shard] = min(position, first.get(segment.shard, position))
    return exp.or_(
        *(
            exp.column("shard").eq(shard).and_(exp.column("position") >= position)
            for shard, position in first.items()
        )
    )


def _insert(con: duckdb.DuckDBPyConnection, model: Model, query: exp.Query) -> int:
    statement = exp.insert(query, incremental.stored_table(model.name), dialect="duckdb")
    found = con.execute(statement.sql("duckdb")).fetchone()
    return int(found[0]) if found else 0
