"""The values of the metrics over a period: sums from `metric_daily`, percentiles from the facts.

A figure of a past day depends on the log only. What depends on today is here: which days are old enough
for a metric with a maturity, at `as_of`.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
from sqlglot import exp

from warehouse.metric import Metric, metrics

PERCENTILES = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class Period:
    """Days of the reporting zone, both ends included, as seen on the day `as_of`.

    No channel, and no version of the bot: all of them.
    """

    first_on: date
    last_on: date
    as_of: date
    channels: tuple[str, ...] = ()
    bot_version: str | None = None

    def last_mature_on(self, metric: Metric) -> date:
        """Return the last day whose figure is final."""
        return min(self.last_on, self.as_of - timedelta(days=metric.maturity_days))


@dataclass(frozen=True)
class MetricValue:
    """The value of one metric, or of one value of its breakdown.

    `value`: a share, the mean of a duration, or a sum; None without data. `count`: cases that it is made
    of; `missing`: cases without a value. `last_on`: the last day that was old enough.
    """

    metric: Metric
    breakdown: str
    value: float | None
    numerator: float
    count: int
    missing: int
    last_on: date
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None


def read_values(con: duckdb.DuckDBPyConnection, period: Period) -> list[MetricValue]:
    """Return every metric of a period, in the order of the registry; a breakdown gives several values."""
    return [value for metric in metrics() for value in read_value(con, metric, period)]


def read_stored(con: duckdb.DuckDBPyConnection, period: Period) -> list[MetricValue]:
    """Return every stored metric of a period in one query, without percentiles."""
    stored = [metric for metric in metrics() if metric.is_stored]
    last_days = [(each.name, period.last_mature_on(each).isoformat()) for each in stored]
    registry = exp.values(last_days, alias="registry", columns=["metric", "last_on"])
    query = (
        exp.select("metric", "breakdown", *_SUMS)
        .from_("metric_daily")
        .join(registry, using=["metric"])
        .where("active_on between $first_on and cast(last_on as date)", *_filters(period)[1:])
        .group_by("metric", "breakdown")
        .order_by("breakdown")
    )
    found: dict[str, list[tuple[Any, ...]]] = {metric.name: [] for metric in stored}
    for name, *row in con.execute(query.sql("duckdb"), _chosen(period)).fetchall():
        found[name].append(tuple(row))
    return [
        value
        for metric in stored
        for value in _values(metric, found[metric.name], period.last_mature_on(metric), {})
    ]


_SUMS = (
    "sum(numerator)",
    "sum(denominator)",
    "sum(value_sum)",
    "sum(value_count)",
    "sum(missing_count)",
)


def read_value(con: duckdb.DuckDBPyConnection, metric: Metric, period: Period) -> list[MetricValue]:
    """Return the values of one metric of a period."""
    rows = _daily(metric) if metric.is_stored else _counted(metric)
    query = (
        exp.select("breakdown", *_SUMS)
        .from_(rows.subquery("daily"))
        .where(*_filters(period))
        .group_by("breakdown")
        .order_by("breakdown")
    )
    found = con.execute(query.sql("duckdb"), _parameters(metric, period)).fetchall()
    percentiles = _percentiles(con, metric, period)
    last_on = period.last_mature_on(metric)
    return _values(metric, found, last_on, percentiles)


def _values(
    metric: Metric, rows: list[tuple[Any, ...]], last_on: date, percentiles: dict[str, float]
) -> list[MetricValue]:
    values = [_value(metric, row, last_on, percentiles) for row in rows]
    return values or [MetricValue(metric, "", None, 0, 0, 0, last_on)]


def _value(
    metric: Metric, row: tuple[Any, ...], last_on: date, percentiles: dict[str, float]
) -> MetricValue:
    breakdown, numerator, denominator, value_sum, value_count, missing = row
    if metric.kind == "ratio":
        share = float(numerator) / float(denominator) if denominator else None
        return MetricValue(metric, breakdown, share, numerator or 0, denominator or 0, 0, last_on)
    value = float(value_sum) if value_count else None
    if metric.kind == "duration" and value is not None:
        value /= value_count
    return MetricValue(
        metric,
        breakdown,
        value,
        float(value_sum or 0),
        value_count,
        missing,
        last_on,
        **percentiles,
    )


def _daily(metric: Metric) -> exp.Select:
    """Return the stored sums of a metric."""
    name = exp.Literal.string(metric.name)
    return exp.select("*").from_("metric_daily").where(exp.column("metric").eq(name))


def _counted(metric: Metric) -> exp.Select:
    """Return the rows of a metric that is not stored, in the form of `metric_daily`."""
    return exp.select(
        "active_on",
        "coalesce(channel, '') as channel",
        "coalesce(bot_version, '') as bot_version",
        "coalesce(breakdown, '') as breakdown",
        "numerator",
        "denominator",
        "value as value_sum",
        "case when value is null then 0 else 1 end as value_count",
        "case when value is null and denominator is null then 1 else 0 end as missing_count",
    ).from_(metric.rows().subquery("counted_rows"))


def _percentiles(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period
) -> dict[str, float]:
    if metric.kind != "duration":
        return {}
    query = (
        exp.select(*(f"quantile_cont(value_sum, {share})" for share in PERCENTILES))
        .from_(_counted(metric).subquery("facts"))
        .where(*_filters(period))
    )
    found = con.execute(query.sql("duckdb"), _parameters(metric, period)).fetchone()
    names = (f"p{round(share * 100)}" for share in PERCENTILES)
    return {
        name: float(value)
        for name, value in zip(names, found or (), strict=True)
        if value is not None
    }


def _filters(period: Period) -> list[str]:
    filters = ["active_on between $first_on and $last_on"]
    if period.channels:
        filters.append("list_contains(cast($channels as varchar[]), channel)")
    if period.bot_version is not None:
        filters.append("bot_version = $bot_version")
    return filters


def _parameters(metric: Metric, period: Period) -> dict[str, Any]:
    return {"last_on": period.last_mature_on(metric), **_chosen(period)}


def _chosen(period: Period) -> dict[str, Any]:
    given: dict[str, Any] = {"first_on": period.first_on}
    if period.channels:
        given["channels"] = list(period.channels)
    if period.bot_version is not None:
        given["bot_version"] = period.bot_version
    return given
