"""What one load touches, and the views that narrow the models to it.

A model's SQL reads `events` or `messages`; during a load a temporary view of that name shows
only the conversations with new events, so the same file serves a full build and a small one.
"""

from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.contract import SCHEMA, Segment
from warehouse.model import SOURCE, Model

CATALOG = "lake"
TOUCHED = "touched_conversations"
DAYS = "touched_days"


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
        query = "select * from read_parquet(getvariable('files'), hive_partitioning = false)"
    else:
        con.register("no_events", SCHEMA.empty_table())
        query = "select * from no_events"
    con.execute(f"create or replace temp view {SOURCE} as {query}")


def collect(con: duckdb.DuckDBPyConnection) -> int:
    """Note which conversations SOURCE speaks of; returns how many."""
    con.execute(
        f"create or replace temp table {TOUCHED} as "  # noqa: S608 (our own names)
        f"select distinct conversation_id from {SOURCE} where conversation_id is not null"
    )
    found = con.execute(f"select count(*) from {TOUCHED}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def collect_days(con: duckdb.DuckDBPyConnection) -> None:
    """Note the days on which the touched conversations were active, before this load or in it.

    Every date in a model is the day of an event, and events are only ever added.
    """
    con.execute(
        f"create or replace temp table {DAYS} as "  # noqa: S608
        "select distinct happened_on as active_on from events where conversation_id is not null"
    )


def narrow(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Let the model's name mean only its rows of touched conversations from here on."""
    query = exp.select("*").from_(table(model.name)).where(touched())
    view = exp.Create(
        this=exp.to_table(model.name), kind="VIEW", expression=query, replace=True,
        properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
    )  # fmt: skip
    con.execute(view.sql("duckdb"))


def widen(con: duckdb.DuckDBPyConnection, models: tuple[Model, ...]) -> None:
    """Let every model's name mean all its rows again."""
    for model in models:
        con.execute(f"drop view if exists temp.{exp.to_identifier(model.name)}")


def touched() -> exp.Condition:
    """Rows of touched conversations."""
    return exp.column("conversation_id").isin(query=exp.select("conversation_id").from_(TOUCHED))


def on_touched_days(con: duckdb.DuckDBPyConnection) -> exp.Condition:
    """Rows of touched days, as a list of dates: DuckDB carries that below the grouping."""
    days = [row[0] for row in con.execute(f"select active_on from {DAYS} order by 1").fetchall()]  # noqa: S608
    return exp.column("active_on").isin(
        *(exp.cast(exp.Literal.string(str(day)), "date") for day in days)
    )
