"""What each load brought, and which past days it changed, by how much.

`loads` has one row per load that changed something: received = stored + duplicate + rejected + quarantined. `restatements`
has the change of a metric's sums on each day before the newest day that was loaded already. Both are the
history of this warehouse: a warehouse that is deleted begins a new one.
"""

from datetime import date, datetime

import duckdb
from sqlglot import exp

from warehouse.days import AFTER, BEFORE
from warehouse.load_report import LoadReport

_CREATE = (
    """
    create table if not exists loads (
        load_number bigint, loaded_at timestamp, segments bigint, received_events bigint,
        stored_events bigint, duplicate_events bigint, rejected_events bigint,
        quarantined_events bigint, late_events bigint,
        conversations bigint, restated_days bigint, is_rebuild boolean, backfilled_models varchar
    )
    """,
    """
    create table if not exists restatements (
        load_number bigint, active_on date, metric varchar, metric_version integer,
        numerator_change bigint, denominator_change bigint, value_sum_change decimal(38, 9),
        value_count_change bigint
    )
    """,
)

_METRIC_KEY = ("active_on", "metric", "metric_version")
_SUMS = ("numerator", "denominator", "value_sum", "value_count")


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables if they do not exist."""
    for statement in _CREATE:
        con.execute(statement)


def last_known_day(con: duckdb.DuckDBPyConnection) -> date | None:
    """Return the newest day that was loaded; None for an empty warehouse. Call it before a load adds rows."""
    found = con.execute("select max(happened_on) from events").fetchone()
    return found[0] if found else None


def next_load_number(con: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the load that runs, from 1."""
    found = con.execute("select coalesce(max(load_number), 0) + 1 from loads").fetchone()
    return int(found[0]) if found else 1


def record_changes(con: duckdb.DuckDBPyConnection, load_number: int, before: date) -> int:
    """Record the changes of the days before `before`; return the number of days. The sums are measured."""
    sides = exp.union(
        exp.select(*_METRIC_KEY, *_SUMS).from_(f"{AFTER}metric_daily"),
        exp.select(
            *_METRIC_KEY, *(exp.Neg(this=exp.column(name)).as_(name) for name in _SUMS)
        ).from_(f"{BEFORE}metric_daily"),
        distinct=False,
    )
    totals = [exp.Sum(this=exp.column(name)) for name in _SUMS]
    is_changed = exp.or_(
        *(exp.NEQ(this=each.copy(), expression=exp.Literal.number(0)) for each in totals)
    )
    changes = (
        exp.select(exp.Literal.number(load_number), *_METRIC_KEY, *totals)
        .from_(sides.subquery("sides"))
        .where("active_on < $before")
        .group_by(*_METRIC_KEY)
        .having(is_changed)
    )
    insert = exp.Insert(this=exp.to_table("restatements"), expression=changes)
    con.execute(insert.sql("duckdb"), {"before": before})
    found = con.execute(
        "select count(distinct active_on) from restatements where load_number = ?", [load_number]
    ).fetchone()
    return int(found[0]) if found else 0


def record_load(
    con: duckdb.DuckDBPyConnection, load_number: int, report: LoadReport, loaded_at: datetime
) -> None:
    """Record a load that changed something."""
    con.execute(
        "insert into loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            load_number,
            loaded_at.replace(tzinfo=None),
            report.segments,
            report.received_events,
            report.events,
            report.duplicate_events,
            report.rejected_events,
            report.quarantined_events,
            report.late_events,
            report.conversations,
            report.restated_days,
            report.rebuilt,
            ", ".join(report.backfilled) or None,
        ],
    )
