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
from warehouse import ledger, scope
from warehouse.checks import CheckError, check_key, run_checks
from warehouse.lake import connect, transaction, write_lock
from warehouse.ledger import Damaged
from warehouse.model import Model, columns_read, definition_hash, models

logger = logging.getLogger(__name__)


@dataclass
class LoadReport:
    """What a load did; `rows` are those written, by model."""

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
    rebuilt = _forget_other_definitions(con, reporting_zone)
    sealed, _ = read_manifest(lake)
    waiting = ledger.waiting(con, sealed)
    good, damaged = ledger.inspect(lake, waiting)
    for each in damaged:
        logger.error("segment %s is quarantined: %s", each.segment.path, each.reason)
    report = LoadReport(segments=len(good), rebuilt=rebuilt, damaged=damaged)
    scope.expose(con, lake, good, reporting_zone)
    scope.leave_out(con, ledger.loaded_within(con, good))
    _create_tables(con)
    if good:
        _build(con, report, good)
    ledger.record(con, good, damaged)
    ledger.follow(con, sealed)
    return report


def _forget_other_definitions(con: duckdb.DuckDBPyConnection, reporting_zone: str) -> bool:
    """Drop everything if the models or the zone were others; whether anything was dropped."""
    ledger.create(con)
    if ledger.has_definition(con, definition_hash(reporting_zone)):
        return False
    for model in models():
        con.execute(
            exp.Drop(tables=[scope.table(model.name)], kind="TABLE", exists=True).sql("duckdb")
        )
    return ledger.start_anew(con, definition_hash(reporting_zone), reporting_zone)


def _create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are not there, with the comments that their headers hold."""
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
            exp.Create(this=scope.table(model.name), kind="TABLE", expression=empty).sql("duckdb")
        )
        _publish(con, model)


def _publish(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Store the header as comments on the table and its columns."""
    table = scope.table(model.name).sql("duckdb")
    con.execute(f"comment on table {table} is {_literal(model.grain)}")
    for name, meaning in model.columns.items():
        con.execute(f"comment on column {table}.{exp.to_identifier(name)} is {_literal(meaning)}")


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def _build(con: duckdb.DuckDBPyConnection, report: LoadReport, segments: list[Segment]) -> None:
    is_first = con.execute("select 1 from events limit 1").fetchone() is None
    report.conversations = scope.collect(con)
    events = next(model for model in models() if model.load_by == "append")
    report.rows[events.name] = report.events = _append(con, events, segments)
    if is_first:
        _build_all(con, report)
    elif report.conversations:
        _build_touched(con, report, events, min(segment.first_position for segment in segments))


def _build_all(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    """Every model from all events: there was nothing before."""
    for model in models():
        if model.load_by != "append":
            report.rows[model.name] = _insert(con, model, model.query.copy())
            check_key(con, model)
    _run_checks(con, report)


def _build_touched(
    con: duckdb.DuckDBPyConnection, report: LoadReport, events: Model, first_position: int
) -> None:
    """Touched conversations anew, then the days they were active on."""
    days = scope.days(con, first_position)
    # All columns cost more the longer the history: row groups are read to find few rows.
    stored = exp.select(*columns_read(events)).from_(scope.table(events.name))
    scope.narrow(con, events, stored.where(scope.touched(events, days)))
    for model in models():
        if model.load_by == "conversation_id":
            scope.narrow(con, model, model.query.copy())
            check_key(con, model)
            _delete(con, model, scope.touched(model, days))
            report.rows[model.name] = _insert(con, model, exp.select("*").from_(model.name))
    _run_checks(con, report)
    _build_days(con, report, scope.active_days(con))


def _build_days(con: duckdb.DuckDBPyConnection, report: LoadReport, days: list[date]) -> None:
    scope.widen(con, models())
    for model in models():
        if model.load_by == "conversation_id":
            stored = exp.select("*").from_(scope.table(model.name))
            scope.narrow(con, model, stored.where(scope.on(model.day, days)), kind="VIEW")
    for model in models():
        if model.load_by == "active_on":
            _delete(con, model, scope.on(model.day, days))
            report.rows[model.name] = _insert(con, model, model.query.copy())
            check_key(con, model, scope.on(model.day, days))


def _run_checks(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    if not report.damaged:  # a segment that is left out leaves holes, and they are known
        run_checks(con)


def _delete(con: duckdb.DuckDBPyConnection, model: Model, where: exp.Condition) -> None:
    con.execute(exp.delete(scope.table(model.name), where=where).sql("duckdb"))


def _append(con: duckdb.DuckDBPyConnection, model: Model, segments: list[Segment]) -> int:
    """Add the waiting events; raise CheckError unless they are exactly those of the manifest."""
    rows = _insert(con, model, model.query.copy())
    expected = sum(segment.rows for segment in segments)
    if rows != expected:
        raise CheckError("a load adds the rows that the manifest names", [(rows, expected)])
    first = exp.Literal.number(min(segment.first_position for segment in segments))
    check_key(con, model, exp.column("position") >= first)
    return rows


def _insert(con: duckdb.DuckDBPyConnection, model: Model, query: exp.Query) -> int:
    statement = exp.insert(query, scope.table(model.name), dialect="duckdb")
    found = con.execute(statement.sql("duckdb")).fetchone()
    return int(found[0]) if found else 0
