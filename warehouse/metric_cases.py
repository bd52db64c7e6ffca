"""The cases behind a figure: the rows that a metric adds up, each with its conversation.

A case is an episode, a turn, a handoff or whatever else the metric counts. The list has the rows that the
figure is made of, so its sums are the figure's.
"""

from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import polars as pl
from sqlglot import exp

from warehouse.metric import Metric
from warehouse.metric_values import Period

Part = Literal["all", "counted", "other"]
Order = Literal["newest", "largest"]

COLUMNS = (
    "active_on",
    "conversation_id",
    "sequence",
    "channel",
    "bot_id",
    "bot_version",
    "breakdown",
    "numerator",
    "denominator",
    "value",
)


@dataclass(frozen=True)
class Selection:
    """Which cases, in which order.

    `counted`: cases in the numerator of a ratio, or with a value; `other`: the rest. `breakdown`: one value
    of the breakdown; the empty string is the unknown one.
    """

    part: Part = "all"
    breakdown: str | None = None
    order: Order = "newest"


@dataclass(frozen=True)
class Totals:
    """The sums over a list of cases."""

    cases: int
    conversations: int
    numerator: int
    denominator: int
    value: float
    values: int


def read_totals(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period, selection: Selection
) -> Totals:
    """Return the sums over the cases of a metric that has conversations."""
    query = _chosen(metric, period, selection).select(
        "count(*)",
        "count(distinct conversation_id)",
        "coalesce(sum(numerator), 0)",
        "coalesce(sum(denominator), 0)",
        "coalesce(sum(value), 0)",
        "count(value)",
        append=False,
    )
    found = con.execute(query.sql("duckdb"), _parameters(metric, period, selection)).fetchall()[0]
    cases, conversations, numerator, denominator, value, values = found
    return Totals(cases, conversations, int(numerator), int(denominator), float(value), values)


def read_cases(
    con: duckdb.DuckDBPyConnection,
    metric: Metric,
    period: Period,
    selection: Selection,
    limit: int | None = None,
    skip: int = 0,
) -> pl.DataFrame:
    """Return the cases of a metric that has conversations: COLUMNS, at most `limit` rows after `skip`."""
    query = _chosen(metric, period, selection).order_by(*_ORDERS[selection.order])
    if limit is not None:
        query = query.limit(limit).offset(skip)
    return con.execute(query.sql("duckdb"), _parameters(metric, period, selection)).pl()


_NEWEST = ("active_on desc", "conversation_id", "sequence", "breakdown", "numerator", "value")
_ORDERS: dict[Order, tuple[str, ...]] = {
    "newest": _NEWEST,
    "largest": ("coalesce(value, numerator) desc nulls last", *_NEWEST),
}


def _chosen(metric: Metric, period: Period, selection: Selection) -> exp.Select:
    query = exp.select(*COLUMNS).from_(metric.cases().subquery("cases")).where(*period.conditions)
    is_counted = "numerator > 0" if metric.kind == "ratio" else "value is not null"
    match selection.part:
        case "counted":
            query = query.where(is_counted)
        case "other":
            query = query.where(f"not ({is_counted})")
    if selection.breakdown is not None:
        query = query.where("coalesce(breakdown, '') = $breakdown")
    return query


def _parameters(metric: Metric, period: Period, selection: Selection) -> dict[str, Any]:
    given = period.parameters(metric)
    return given if selection.breakdown is None else given | {"breakdown": selection.breakdown}
