"""The changes of one load, and the temporary tables that narrow the models to them.

A model's SQL reads `events` or `messages`. During a load a temporary table of that name has only the
conversations with new events, so the same file serves a full build and an incremental one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
from sqlglot import exp

from ingest.arrow_schema import SCHEMA
from ingest.manifest import Segment
from warehouse.ledger import Span
from warehouse.model import LATER_EVENTS, SOURCE, Model, source_query

CATALOG = "lake"
CHANGED = "changed_conversations"
"""Temporary table of the conversations with new events."""

MODELLED_EVENTS = 50_000
"""The cap: models are built from so many first events of a conversation. Later ones are only counted, so a
conversation without end does not make each load longer. A load spends about 12 µs for each event of a changed
conversation, so the cap is about 0.6 s.
"""

FILES = "sealed_files"
"""Temporary view of the rows of the waiting segments."""

_READ = "select * from read_parquet(getvariable('files'), hive_partitioning = false)"


class NewEvents(NamedTuple):
    """New events of one day: all, and those of conversations."""

    events: int
    of_conversations: int


def stored_table(name: str) -> exp.Table:
    """Return the stored table of a model, also while a temporary one hides it."""
    return exp.table_(name, db="main", catalog=CATALOG)


def create_source(
    con: duckdb.DuckDBPyConnection, lake: Path, segments: list[Segment], reporting_zone: str
) -> None:
    """Create the views FILES and SOURCE of the events of `segments`, and the variable of the reporting zone."""
    con.execute("set variable reporting_zone = $zone", {"zone": reporting_zone})
    if segments:
        files = [str(lake / segment.path) for segment in segments]
        con.execute("set variable files = $files", {"files": files})
        query = _READ
    else:
        con.register("no_events", SCHEMA.empty_table())
        query = "select * from no_events"
    con.execute(f"create or replace temp view {FILES} as {query}")
    con.execute(f"create or replace temp view {SOURCE} as {source_query()}")


def exclude_loaded(con: duckdb.DuckDBPyConnection, spans: Sequence[Span]) -> None:
    """Remove positions from FILES that other files have loaded already."""
    if not spans:
        return
    loaded = exp.or_(
        *(
            exp.column("shard")
            .eq(span.shard)
            .and_(exp.column("position").between(span.first, span.last))
            for span in spans
        )
    )
    con.execute(
        f"create or replace temp view {FILES} as {_READ} where not ({loaded.sql('duckdb')})"
    )


def collect_changed(con: duckdb.DuckDBPyConnection) -> int:
    """Store which conversations have events in SOURCE; return how many."""
    con.execute(
        f"create or replace temp table {CHANGED} as "  # noqa: S608 (our own names)
        f"select distinct conversation_id from {SOURCE} "
        "where conversation_id is not null and rejection_reason is null"
    )
    found = con.execute(f"select count(*) from {CHANGED}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def new_days(con: duckdb.DuckDBPyConnection, new: exp.Condition) -> dict[date, NewEvents]:
    """Return how many new events each day has; `new` selects them. Call it before `replace_model`."""
    counts = ("happened_on", "count(*)", "count(conversation_id)")
    query = exp.select(*counts).from_("events").where(new).group_by("happened_on")
    return {row[0]: NewEvents(*row[1:]) for row in con.execute(query.sql("duckdb")).fetchall()}


def candidate_days(con: duckdb.DuckDBPyConnection, added: Mapping[date, NewEvents]) -> list[date]:
    """Return the days on which changed conversations may have events; `added` are those of the load.

    Call it before `replace_model`. With these days, DuckDB skips files and row groups of all other days: a
    load costs what it touches, not what was ever loaded.
    """
    before = {row[0] for row in con.execute(_DAYS_BEFORE).fetchall()}
    return sorted(before | {day for day, events in added.items() if events.of_conversations})


_DAYS_BEFORE = f"""
    select distinct cast(unnest(generate_series(first_on, last_on, interval 1 day)) as date) as day
    from conversations
    where conversation_id in (select conversation_id from {CHANGED})
"""  # noqa: S608 (our own names)
"""Days on which the changed conversations were active before this load."""


def on_days(column: str, days: list[date]) -> exp.Condition:
    """Select rows of these days by a list of dates, so that DuckDB skips everything else."""
    dates = (exp.cast(exp.Literal.string(day.isoformat()), "date") for day in sorted(days))
    return exp.column(column).isin(*dates)


def of_changed(model: Model, days: list[date]) -> exp.Condition:
    """Select stored rows of changed conversations."""
    ids = exp.select("conversation_id").from_(CHANGED)
    return on_days(model.day, days).and_(exp.column("conversation_id").isin(query=ids))


def is_modelled() -> exp.Condition:
    """Select events that are not beyond the cap."""
    sequence = exp.column("sequence")
    return sequence.is_(exp.null()).or_(sequence <= MODELLED_EVENTS)


@contextmanager
def capped_events(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """In the block, `events` has only events that are modelled, and LATER_EVENTS has the others."""
    stored = exp.select("*").from_(stored_table("events"))
    create_temporary(con, "events", stored.where(is_modelled()), kind="VIEW")
    later = stored.where(exp.column("sequence") > MODELLED_EVENTS)
    create_temporary(con, LATER_EVENTS, later, kind="VIEW")
    yield
    for name in ("events", LATER_EVENTS):
        con.execute(f"drop view temp.{name}")


def replace_model(con: duckdb.DuckDBPyConnection, model: Model, query: exp.Expression) -> None:
    """Hide a model's table or view behind a temporary table with the rows of `query`."""
    create_temporary(con, model.name, query)


def create_temporary(
    con: duckdb.DuckDBPyConnection, name: str, query: exp.Expression, kind: str = "TABLE"
) -> None:
    """Create a temporary table or view with the rows of `query`."""
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    statement = exp.Create(
        this=exp.to_table(name), kind=kind, expression=query, properties=temporary
    )
    con.execute(statement.sql("duckdb"))


def drop_temporary(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a temporary table if it exists."""
    con.execute(f"drop table if exists temp.{exp.to_identifier(name)}")


def restore_models(con: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Drop the temporary tables of `replace_model`."""
    for model in models:
        drop_temporary(con, model.name)
