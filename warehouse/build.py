"""Builds the models: all waiting segments, all models, one transaction.

Readers see the warehouse before a load or after it, never half of one. Only conversations with new
events are rebuilt; the models by day get the difference.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.manifest import Segment, read_manifest
from warehouse import (
    calendar_tables,
    definitions,
    incremental,
    ledger,
    restatements,
    table_statistics,
)
from warehouse.as_of import segments_until, spans_beyond
from warehouse.business_hours import Schedule
from warehouse.calendar_tables import Calendar
from warehouse.checks import CheckError, check_key, run_checks
from warehouse.days import measure_after, measure_before, merge, stored_rows
from warehouse.lake import connect, transaction, write_lock
from warehouse.load_report import LoadReport
from warehouse.model import LATER_EVENTS, Model, by_conversation, by_day, columns_read, models

logger = logging.getLogger(__name__)


def load(
    lake: Path,
    warehouse: Path,
    reporting_zone: str,
    now: datetime | None = None,
    business_hours: tuple[Schedule, ...] = (),
    until: datetime | None = None,
) -> LoadReport:
    """Bring the warehouse up to the manifest of `lake`. Safe to repeat, and to kill anywhere.

    `now`: the time that the load is recorded with; the system's clock by default. `business_hours`: the
    versions of the schedule; without one, durations in business hours are missing. `until`: leave out what
    was committed later; only for a warehouse of its own.

    Raises ManifestError, WarehouseBusyError, CheckError; the warehouse is then as it was before.
    """
    started = time.perf_counter()
    with write_lock(warehouse), connect(warehouse, read_only=False) as con:
        with transaction(con, warehouse):
            now = now or datetime.now(UTC)
            calendar = Calendar(reporting_zone, business_hours, now.year)
            report = _load(con, lake, calendar, now, until)
        table_statistics.complete(con)
    report.seconds = time.perf_counter() - started
    return report


def _load(
    con: duckdb.DuckDBPyConnection,
    lake: Path,
    calendar: Calendar,
    now: datetime,
    until: datetime | None = None,
) -> LoadReport:
    reporting_zone = calendar.reporting_zone
    ledger.create(con)
    restatements.create(con)
    loaded = ledger.loaded_spans(con)
    was_loaded = bool(loaded)
    incremental.create_source(con, lake, [], reporting_zone)  # it gives the models their types
    calendar_tables.create_sources(con, calendar)
    outdated = definitions.update(con, calendar)
    loaded = {} if outdated is None else loaded
    whole, _ = read_manifest(lake)
    sealed = whole if until is None else segments_until(lake, whole, until)
    waiting = ledger.pending_segments(loaded, sealed)
    good, damaged = ledger.inspect(lake, waiting)
    for each in damaged:
        logger.error("segment %s is quarantined: %s", each.segment.path, each.reason)
    report = LoadReport(
        segments=len(good),
        rebuilt=was_loaded and outdated is None,
        damaged=damaged,
        quarantined_events=sum(each.segment.rows for each in damaged),
    )
    incremental.create_source(con, lake, good, reporting_zone)
    duplicates = ledger.loaded_within(loaded, good)
    report.duplicate_events = sum(span.rows for span in duplicates)
    incremental.exclude_loaded(con, [*duplicates, *spans_beyond(whole, good)])
    _backfill(con, report, outdated or [])
    if good:
        _build(con, report, good)
    ledger.record(con, good, damaged)
    ledger.record_compactions(con, sealed)
    if good or report.backfilled:
        restatements.record_load(con, restatements.next_load_number(con), report, now)
    return report


@contextmanager
def _named(model: Model) -> Iterator[None]:
    """Name the model in an error of DuckDB, which keeps its type."""
    try:
        yield
    except duckdb.Error as error:
        message = f"the model {model.name} was not built and nothing was loaded: {error}"
        raise type(error)(message) from error


def _backfill(
    con: duckdb.DuckDBPyConnection, report: LoadReport, outdated: Sequence[Model]
) -> None:
    """Build models that are new or changed from all stored events. Readers keep the old ones until the commit."""
    with incremental.capped_events(con):
        for model in outdated:
            report.rows[model.name] = _insert(con, model, model.sql)
            report.backfilled.append(model.name)
            check_key(con, model)


def _build(con: duckdb.DuckDBPyConnection, report: LoadReport, segments: list[Segment]) -> None:
    known_until = restatements.last_known_day(con)
    report.conversations = incremental.collect_changed(con)
    _append(con, report, segments)
    if known_until is None:
        _build_all(con, report)
        return
    added = incremental.new_days(con, _new_positions(segments))
    report.late_events = sum(new.events for day, new in added.items() if day < known_until)
    if report.conversations:
        _build_changed(con, report, incremental.candidate_days(con, added), known_until)


def _build_all(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    """Build every model from all events: the warehouse was empty."""
    with incremental.capped_events(con):
        for model in models():
            if model.load_by not in ("append", "view"):
                report.rows[model.name] = _insert(con, model, model.sql)
                check_key(con, model)
    _run_checks(con, report)


def _build_changed(
    con: duckdb.DuckDBPyConnection, report: LoadReport, days: list[date], known_until: date
) -> None:
    """Rebuild the changed conversations, which have events on `days`, then the days to which they add."""
    measure_before(con, days)
    # All columns cost more the longer the history: row groups are read to find few rows.
    events = next(model for model in models() if model.name == "events")
    columns = columns_read(events, by_conversation())
    stored = exp.select(*columns).from_(incremental.stored_table(events.name))
    changed = stored.where(incremental.of_changed(events, days))
    later = exp.column("sequence") > incremental.MODELLED_EVENTS
    incremental.create_temporary(con, LATER_EVENTS, changed.where(later))
    incremental.replace_model(con, events, changed.where(incremental.is_modelled()))
    for model in by_conversation():
        with _named(model):
            incremental.replace_model(con, model, model.sql)
        check_key(con, model)
        _delete(con, model, stored_rows(model) or incremental.of_changed(model, days))
        report.rows[model.name] = _insert(con, model, exp.select("*").from_(model.name))
    _run_checks(con, report)
    incremental.drop_temporary(con, LATER_EVENTS)
    _build_days(con, report, known_until)


def _build_days(con: duckdb.DuckDBPyConnection, report: LoadReport, known_until: date) -> None:
    measure_after(con)
    number = restatements.next_load_number(con)
    report.restated_days = restatements.record_changes(con, number, known_until)
    for model in by_day():
        with _named(model):
            report.rows[model.name], days = merge(con, model)
        if days:
            check_key(con, model, incremental.on_days(model.day, days))


def _run_checks(con: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    if not report.damaged:  # a segment that is left out leaves holes, and they are known
        run_checks(con)


def _delete(con: duckdb.DuckDBPyConnection, model: Model, where: exp.Condition) -> None:
    con.execute(exp.delete(incremental.stored_table(model.name), where=where).sql("duckdb"))


def _append(con: duckdb.DuckDBPyConnection, report: LoadReport, segments: list[Segment]) -> None:
    """Add the waiting events; raise CheckError unless they are exactly those of the manifest."""
    for model in models():
        if model.load_by == "append":
            report.rows[model.name] = _insert(con, model, model.sql)
            if report.rows[model.name]:
                check_key(con, model, _new_positions(segments))
    report.events = report.rows["events"]
    report.rejected_events = report.rows["rejected_events"]
    rows = report.events + report.rejected_events
    expected = sum(segment.rows for segment in segments)
    if rows != expected:
        raise CheckError("a load adds the rows that the manifest names", [(rows, expected)])


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


def _insert(con: duckdb.DuckDBPyConnection, model: Model, query: exp.Expression) -> int:
    statement = exp.Insert(this=incremental.stored_table(model.name), expression=query)
    with _named(model):
        found = con.execute(statement.sql("duckdb")).fetchone()
    return int(found[0]) if found else 0
