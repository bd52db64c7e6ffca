"""The queries of the handoffs page."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import streamlit as st

from dashboards.figures import metric_named, registry_period
from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, run_query, snapshot
from warehouse.metric_cases import Selection, read_cases

HERE = Path(__file__).parent
NAMES = ("funnel", "waits", "groups", "by_hour")

IN_BUSINESS_HOURS = "to acceptance, in business hours"
"""The clock that runs only while the business is open."""

STEP_SECONDS = (30, 60, 120, 300, 900, 3600)
"""Waits at which the second step begins, and each further one."""


@dataclass(frozen=True)
class Handoffs:
    """The frames of the page, all of one snapshot of the warehouse.

    `waits` has the number of handoffs for each clock and step, from 1.
    """

    funnel: dict[str, int]
    waits: pl.DataFrame
    reasons: pl.DataFrame
    queues: pl.DataFrame
    by_hour: pl.DataFrame


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_handoffs(
    warehouse: Path, scope: Scope, whole: Period, *, has_business_hours: bool = False
) -> Handoffs:
    """Return the handoffs requested in a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    with snapshot(warehouse) as cursor:
        frames = {
            name: run_query(cursor, HERE / "sql" / f"{name}.sql", scope.parameters)
            for name in NAMES
        }
        waits = [frames["waits"]]
        if has_business_hours:
            waits.append(_business_waits(cursor, scope, whole))
    return Handoffs(
        funnel=frames["funnel"].row(0, named=True),
        waits=in_steps(pl.concat(waits, how="vertical_relaxed")),
        reasons=_of(frames["groups"], "reason"),
        queues=_of(frames["groups"], "queue"),
        by_hour=frames["by_hour"],
    )


def _business_waits(cursor: duckdb.DuckDBPyConnection, scope: Scope, whole: Period) -> pl.DataFrame:
    """Return the cases of the metric, as `waits.sql` does for the other clocks."""
    metric = metric_named("pickup_wait_in_business_hours")
    period = registry_period(scope, scope.period, whole)
    cases = read_cases(cursor, metric, period, Selection(part="counted"))
    return cases.select(
        clock=pl.lit(IN_BUSINESS_HOURS),
        seconds=pl.col("value").cast(pl.Int64),
        handoffs=pl.lit(1, pl.Int64),
    )


def in_steps(waits: pl.DataFrame) -> pl.DataFrame:
    """Return how many handoffs each step of each clock has: `clock`, `step` from 1, `handoffs`."""
    reached = [(pl.col("seconds") >= begin).cast(pl.Int64) for begin in STEP_SECONDS]
    step = (pl.sum_horizontal(reached) + 1).alias("step")
    return waits.group_by("clock", step).agg(pl.col("handoffs").sum()).sort("clock", "step")


def _of(groups: pl.DataFrame, grouping: str) -> pl.DataFrame:
    return groups.filter(pl.col("grouping") == grouping).drop("grouping")


def behind(grouping: str, name: str | None, period: Period) -> dict[str, str] | None:
    """Return the query parameters of the page with the handoffs of a reason, or the conversations of a queue.

    None for handoffs without a name.
    """
    if name is None:
        return None
    # A URL without a period takes the filters of the page before, a bot too; this page has no bot.
    days = {"from": period.first_on.isoformat(), "to": period.last_on.isoformat()}
    if grouping == "reasons":
        return days | {"metric": "handoff_reasons", "of": name}
    # A handoff of the period may be of a conversation that began before it.
    return days | {"queue": name, "active": "yes"}
