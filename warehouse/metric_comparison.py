"""A period of the metrics compared with the one before, and day by day.

One query reads the stored sums of both periods, and one more the percentiles of a duration: a page with many figures stays fast.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import duckdb
from sqlglot import exp

from warehouse.metric import Metric
from warehouse.metric_values import (
    CACHED_QUERIES,
    MetricValue,
    Period,
    counted_rows,
    stored,
    stored_rows,
    value_of,
)


@dataclass(frozen=True)
class Compared:
    """The value of a period, the value of the one before, and the value of each day with cases."""

    now: MetricValue
    before: float | None
    days: dict[date, float | None]


@dataclass
class Percentiles:
    """The median and the 95th percentile of a period, of the one before, and of each day."""

    now: tuple[float | None, float | None] = (None, None)
    before: tuple[float | None, float | None] = (None, None)
    days: dict[date, tuple[float | None, float | None]] = field(default_factory=dict)


def compare(
    con: duckdb.DuckDBPyConnection, period: Period, names: Collection[str], *, has_before: bool
) -> list[Compared]:
    """Return the stored metrics `names`, in the order of the registry; a breakdown gives several.

    Without `has_before` there is nothing to compare with.
    """
    metrics = stored(names)
    both = _with_before(period) if has_before else period
    rows: dict[str, dict[str, dict[date, list[Any]]]] = {each.name: {} for each in metrics}
    for name, day, breakdown, *sums in stored_rows(con, both, metrics, "active_on"):
        rows[name].setdefault(breakdown, {})[day] = sums
    return [
        _compared(metric, breakdown, days, period)
        for metric in metrics
        for breakdown, days in _current(rows[metric.name], period)
    ]


def _with_before(period: Period) -> Period:
    length = period.last_on - period.first_on + timedelta(days=1)
    return replace(period, first_on=period.first_on - length)


def _current(
    found: dict[str, dict[date, list[Any]]], period: Period
) -> list[tuple[str, dict[date, list[Any]]]]:
    """Return the breakdowns with a case in the period; one empty value if there is none."""
    current = [each for each in found.items() if max(each[1]) >= period.first_on]
    return sorted(current) or [("", found.get("", {}))]


def _compared(
    metric: Metric, breakdown: str, days: dict[date, list[Any]], period: Period
) -> Compared:
    now = {day: sums for day, sums in days.items() if day >= period.first_on}
    before = [sums for day, sums in days.items() if day < period.first_on]
    last_on = period.last_mature_on(metric)

    def of(rows: Collection[list[Any]], day: date | None = None) -> MetricValue:
        totals = [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * 5
        return value_of(metric, (breakdown, *totals), last_on, {}, day)

    return Compared(
        now=of(now.values()),
        before=of(before).value,
        days={day: of([sums], day).value for day, sums in now.items()},
    )


def read_percentiles(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period, *, has_before: bool
) -> Percentiles:
    """Return the percentiles of a duration, in one query."""
    both = _with_before(period) if has_before else period
    query = _percentiles_query(metric, tuple(both.conditions))
    parameters = both.parameters(metric) | {"begins_on": period.first_on}
    found = Percentiles()
    for is_now, day, both_of in con.execute(query, parameters).fetchall():
        p50, p95 = both_of or (None, None)
        if is_now and day is not None:
            found.days[day] = (p50, p95)
        elif is_now:
            found.now = (p50, p95)
        elif day is None:
            found.before = (p50, p95)
    return found


@lru_cache(maxsize=CACHED_QUERIES)
def _percentiles_query(metric: Metric, conditions: tuple[str, ...]) -> str:
    facts = exp.select("*", "active_on >= $begins_on as is_now").from_(
        counted_rows(metric).subquery("facts")
    )
    query = (
        exp.select("is_now", "active_on", "quantile_cont(value_sum, [0.5, 0.95])")
        .from_(facts.where(*conditions).subquery("judged"))
        .group_by("grouping sets ((is_now), (is_now, active_on))", dialect="duckdb")
    )
    return query.sql("duckdb")
