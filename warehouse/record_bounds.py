"""What a warehouse has on record: its days, channels and bots, and the zones that it counts them in."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import duckdb

QUERY = Path(__file__).parent / "sql" / "record_bounds.sql"


@dataclass(frozen=True)
class RecordBounds:
    """The values that a period and a filter can have.

    `days`: the first and the last day on record; None without a conversation. The last one is the `as_of` of every
    period, however long ago it is: later days, which decide what is final, are not known.
    `hours_zones`: the zones of the business hours; none without them.
    """

    days: tuple[date, date] | None
    channels: tuple[str, ...]
    reporting_zone: str
    bots: tuple[str, ...]
    bot_versions: tuple[str, ...]
    hours_zones: tuple[str, ...]


def read_bounds(con: duckdb.DuckDBPyConnection) -> RecordBounds:
    """Return the bounds of the state that a connection reads."""
    ((first_on, last_on, channels, zone, bots, versions),) = con.execute(_query()).fetchall()
    days = None if first_on is None else (first_on, last_on)
    return RecordBounds(
        days, tuple(channels), zone, tuple(bots), tuple(versions), _hours_zones(con)
    )


@cache
def _query() -> str:
    return QUERY.read_text()


def _hours_zones(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the zones of the business hours; none in a state that an older version loaded."""
    tables = con.execute("select table_name from duckdb_tables() where database_name = 'lake'")
    if ("business_hours",) not in tables.fetchall():
        return ()
    found = con.execute("select distinct zone from business_hours order by zone").fetchall()
    return tuple(zone for (zone,) in found)
