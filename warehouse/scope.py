"""What one load touches, and the tables that narrow the models to it.

A model's SQL reads `events` or `messages`; during a load a temporary table of that name holds
only the conversations with new events, so the same file serves a full build and a small one.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.contract import SCHEMA
from ingest.manifest import Segment
from warehouse.model import SOURCE, Model

CATALOG = "lake"
TOUCHED = "touched_conversations"


_FILES = "select * from read_parquet(getvariable('files'), hive_partitioning = false)"


def table(name: str) -> exp.Table:
    """The stored table of a model, whatever view stands before it."""
    return exp.table_(name, db="main", catalog=CATALOG)


def expose(
    con: duckdb.DuckDBPyConnection, lake: Path, segments: list[Segment], reporting_zone: str
) -> None:
    """Make the events of `segments` readable as SOURCE, and the zone as a variable of models."""
    con.execute("set variable reporting_zone = $zone", {"zone": reporting_zone})
    if segments:
        files = [str(lake / segment.path) for segment in segments]
        con.execute("set variable files = $files", {"files": files})
        query = _FILES
    else:
        con.register("no_events", SCHEMA.empty_table())
        query = "select * from no_events"
    con.execute(f"create or replace temp view {SOURCE} as {query}")


def leave_out(con: duckdb.DuckDBPyConnection, spans: list[tuple[int, int]]) -> None:
    """Take the positions of `spans` out of SOURCE: they are loaded from other files already."""
    if not spans:
        return
    position = exp.column("position")
    loaded = exp.or_(*(position.copy().between(first, last) for first, last in spans))
    con.execute(
        f"create or replace temp view {SOURCE} as {_FILES} where not ({loaded.sql('duckdb')})"
    )


def collect(con: duckdb.DuckDBPyConnection) -> int:
    """Note which conversations SOURCE speaks of; returns how many."""
    con.execute(
        f"create or replace temp table {TOUCHED} as "  # noqa: S608 (our own names)
        f"select distinct conversation_id from {SOURCE} where conversation_id is not null"
    )
    found = con.execute(f"select count(*) from {TOUCHED}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def days(con: duckdb.DuckDBPyConnection, first_position: int) -> list[date]:
    """Days on which the touched conversations may have events, the new ones included.

    Ask before anything is narrowed. With these days, files and row groups of all others are
    passed over: a load costs what it touches, not what was ever loaded.
    """
    return [row[0] for row in con.execute(_DAYS, {"first_position": first_position}).fetchall()]


_DAYS = f"""
    select distinct happened_on as day
    from events
    where position >= $first_position and conversation_id is not null
    union
    select cast(unnest(generate_series(first_on, last_on, interval 1 day)) as date) as day
    from conversations
    where conversation_id in (select conversation_id from {TOUCHED})
"""  # noqa: S608 (our own names)


def active_days(con: duckdb.DuckDBPyConnection) -> list[date]:
    """Days on which the touched conversations have events; ask while `events` is narrowed.

    Every date in a model is the day of an event, and events are only ever added.
    """
    return [row[0] for row in con.execute("select distinct happened_on from events").fetchall()]


def on(column: str, days: list[date]) -> exp.Condition:
    """Rows of these days, as a list of dates: DuckDB passes over what cannot have them."""
    dates = (exp.cast(exp.Literal.string(day.isoformat()), "date") for day in sorted(days))
    return exp.column(column).isin(*dates)


def touched(model: Model, days: list[date]) -> exp.Condition:
    """Stored rows of touched conversations."""
    ids = exp.select("conversation_id").from_(TOUCHED)
    return on(model.day, days).and_(exp.column("conversation_id").isin(query=ids))


def narrow(
    con: duckdb.DuckDBPyConnection, model: Model, query: exp.Query, kind: str = "TABLE"
) -> None:
    """Let the model's name mean only the rows of `query` from here on.

    A TABLE serves several readers; a VIEW is for one that reads few of the columns.
    """
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    statement = exp.Create(
        this=exp.to_table(model.name), kind=kind, expression=query, properties=temporary
    )
    con.execute(statement.sql("duckdb"))


def widen(con: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Drop the tables of `narrow`: the models' names mean all their rows again."""
    for model in models:
        con.execute(f"drop table if exists temp.{exp.to_identifier(model.name)}")
