"""The values of the metrics over a period: sums from `metric_daily`, percentiles from the facts.

A figure of a past day depends on the log only. What depends on today is here: which days are old enough
for a metric with a maturity, at `as_of`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal

import duckdb
from sqlglot import exp

from warehouse.metric import Metric, metrics

PERCENTILES = (0.5, 0.9, 0.95)

CACHED_QUERIES = 1000
"""Queries kept as text: sqlglot takes longer to build one than DuckDB takes to run it."""

Group = Literal["active_on", "bot_id", "bot_version", "channel"]


@dataclass(frozen=True)
class Period:
    """Days of the reporting zone, both ends included, as seen on the day `as_of`.

    No channel, no bot, and no version of the bot: all of them.
    """

    first_on: date
    last_on: date
    as_of: date
    channels: tuple[str, ...] = ()
    bot_version: str | None = None
    bot_id: str | None = None

    def last_mature_on(self, metric: Metric) -> date:
        """Return the last day whose figure is final."""
        return min(self.last_on, self.as_of - timedelta(days=metric.maturity_days))

    @property
    def conditions(self) -> list[str]:
        """Return the conditions of a query that reads the rows of a metric."""
        return ["active_on between $first_on and $last_on", *self.choices]

    @property
    def choices(self) -> list[str]:
        """Return the conditions apart from that on the days."""
        found = []
        if self.channels:
            found.append("list_contains(cast($channels as varchar[]), channel)")
        if self.bot_version is not None:
            found.append("bot_version = $bot_version")
        if self.bot_id is not None:
            found.append("bot_id = $bot_id")
        return found

    def parameters(self, metric: Metric | None = None) -> dict[str, Any]:
        """Return the parameters that the conditions name; with `metric`, its last final day too."""
        given: dict[str, Any] = {"first_on": self.first_on}
        if metric is not None:
            given["last_on"] = self.last_mature_on(metric)
        if self.channels:
            given["channels"] = list(self.channels)
        if self.bot_version is not None:
            given["bot_version"] = self.bot_version
        if self.bot_id is not None:
            given["bot_id"] = self.bot_id
        return given


@dataclass(frozen=True)
class MetricValue:
    """The value of one metric, or of one value of its breakdown.

    `value`: a share, the mean of a duration, a quotient, or a sum; None without data. `count`: cases that it
    is made of; `missing`: cases without a value. `last_on`: the last day that was old enough. `group`: the
    day, version of the bot or channel that it is of, if the values were asked for by group.
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
    group: date | str | None = None


def read_values(con: duckdb.DuckDBPyConnection, period: Period) -> list[MetricValue]:
    """Return every metric of a period, in the order of the registry; a breakdown gives several values."""
    return [value for metric in metrics() for value in read_value(con, metric, period)]


def read_stored(
    con: duckdb.DuckDBPyConnection, period: Period, names: Collection[str] | None = None
) -> list[MetricValue]:
    """Return the stored metrics `names`, or all of them, in one query, without percentiles."""
    chosen = stored(names)
    found: dict[str, list[tuple[Any, ...]]] = {metric.name: [] for metric in chosen}
    for name, _, *row in stored_rows(con, period, chosen, "cast(null as date)"):
        found[name].append(tuple(row))
    return [
        value
        for metric in chosen
        for value in _values(metric, found[metric.name], period.last_mature_on(metric), {})
    ]


def read_stored_by(
    con: duckdb.DuckDBPyConnection, period: Period, group: Group, names: Collection[str]
) -> list[MetricValue]:
    """Return the stored metrics `names` of each day, version or channel that has cases, in order."""
    known = {metric.name: metric for metric in stored(names)}
    rows = stored_rows(con, period, known.values(), group)
    return [
        value_of(known[name], tuple(row), period.last_mature_on(known[name]), {}, of)
        for name, of, *row in rows
    ]


def stored(names: Collection[str] | None = None) -> list[Metric]:
    """Return the stored metrics `names`, or all of them, in the order of the registry."""
    return [each for each in metrics() if each.is_stored and (names is None or each.name in names)]


def stored_rows(
    con: duckdb.DuckDBPyConnection, period: Period, chosen: Collection[Metric], group: str
) -> list[tuple[Any, ...]]:
    """Return for each metric, `group` and breakdown the sums that `value_of` takes, in order."""
    parameters = period.parameters() | {
        "metrics": [each.name for each in chosen],
        "last_days": [period.last_mature_on(each) for each in chosen],
    }
    return con.execute(_stored_query(group, tuple(period.choices)), parameters).fetchall()


@lru_cache(maxsize=CACHED_QUERIES)
def _stored_query(group: str, choices: tuple[str, ...]) -> str:
    registry = exp.select("unnest($metrics) as metric", "unnest($last_days) as last_on")
    query = (
        exp.select("metric", f"{group} as of_group", "breakdown", *_SUMS)
        .from_("metric_daily")
        .join(registry.subquery("registry"), using=["metric"])
        .where("active_on between $first_on and last_on", *choices)
        .group_by("metric", "of_group", "breakdown")
        .order_by("metric", "of_group", "breakdown")
    )
    return query.sql("duckdb")


def keep_stored(
    con: duckdb.DuckDBPyConnection, first_on: date, last_on: date, names: Collection[str]
) -> None:
    """Read the sums of the metrics `names` on these days once: `metric_daily` then has no other on `con`.

    Many queries of one page read them; DuckLake takes longer to find a file than to read these rows.
    """
    query = (
        "create temp table metric_daily as select * from lake.main.metric_daily "
        "where active_on between $first_on and $last_on and list_contains($metrics, metric)"
    )
    con.execute(query, {"first_on": first_on, "last_on": last_on, "metrics": list(names)})


_SUMS = (
    "sum(numerator)",
    "sum(denominator)",
    "sum(value_sum)",
    "sum(value_count)",
    "sum(missing_count)",
)


def read_value(con: duckdb.DuckDBPyConnection, metric: Metric, period: Period) -> list[MetricValue]:
    """Return the values of one metric of a period."""
    query = _value_query(metric, tuple(period.conditions))
    found = con.execute(query, period.parameters(metric)).fetchall()
    percentiles = _percentiles(con, metric, period)
    last_on = period.last_mature_on(metric)
    return _values(metric, found, last_on, percentiles)


@lru_cache(maxsize=CACHED_QUERIES)
def _value_query(metric: Metric, conditions: tuple[str, ...]) -> str:
    rows = _daily(metric) if metric.is_stored else counted_rows(metric)
    query = (
        exp.select("breakdown", *_SUMS)
        .from_(rows.subquery("daily"))
        .where(*conditions)
        .group_by("breakdown")
        .order_by("breakdown")
    )
    return query.sql("duckdb")


def _values(
    metric: Metric, rows: list[tuple[Any, ...]], last_on: date, percentiles: dict[str, float]
) -> list[MetricValue]:
    values = [value_of(metric, row, last_on, percentiles) for row in rows]
    return values or [MetricValue(metric, "", None, 0, 0, 0, last_on)]


def value_of(
    metric: Metric,
    row: tuple[Any, ...],
    last_on: date,
    percentiles: dict[str, float],
    group: date | str | None = None,
) -> MetricValue:
    """Return the value that a row of sums has: the breakdown, and the sums of `metric_daily`."""
    breakdown, numerator, denominator, value_sum, value_count, missing = row
    match metric.kind:
        case "ratio":
            total, count = float(numerator or 0), denominator or 0
        case "quotient":
            total, count = float(value_sum or 0), denominator or 0
        case _:
            total, count = float(value_sum or 0), value_count
    is_divided = metric.kind in ("ratio", "quotient", "duration")
    value = total / float(count) if is_divided and count else total if count else None
    return MetricValue(
        metric, breakdown, value, total, count, missing, last_on, **percentiles, group=group
    )


def _daily(metric: Metric) -> exp.Select:
    """Return the stored sums of a metric."""
    name = exp.Literal.string(metric.name)
    return exp.select("*").from_("metric_daily").where(exp.column("metric").eq(name))


def counted_rows(metric: Metric) -> exp.Select:
    """Return the rows of a metric that is not stored, in the form of `metric_daily`."""
    return exp.select(
        "active_on",
        "coalesce(channel, '') as channel",
        "coalesce(bot_id, '') as bot_id",
        "coalesce(bot_version, '') as bot_version",
        "coalesce(breakdown, '') as breakdown",
        "numerator",
        "denominator",
        "value as value_sum",
        "case when value is null then 0 else 1 end as value_count",
        "case when value is null and numerator is null then 1 else 0 end as missing_count",
    ).from_(metric.rows().subquery("counted_rows"))


def read_percentiles(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period, group: Group
) -> list[tuple[Any, float | None, float | None]]:
    """Return the median and the 95th percentile of a duration, for each day, version or channel, in order."""
    query = _group_percentiles_query(metric, group, tuple(period.conditions))
    found = con.execute(query, period.parameters(metric)).fetchall()
    return [(of, *(values or (None, None))) for of, values in found]


@lru_cache(maxsize=CACHED_QUERIES)
def _group_percentiles_query(metric: Metric, group: Group, conditions: tuple[str, ...]) -> str:
    query = (
        exp.select(group, "quantile_cont(value_sum, [0.5, 0.95])")
        .from_(counted_rows(metric).subquery("facts"))
        .where(*conditions)
        .group_by(group)
        .order_by(group)
    )
    return query.sql("duckdb")


def _percentiles(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period
) -> dict[str, float]:
    if metric.kind != "duration":
        return {}
    query = _percentiles_query(metric, tuple(period.conditions))
    ((found,),) = con.execute(query, period.parameters(metric)).fetchall()
    names = [f"p{round(share * 100)}" for share in PERCENTILES]
    return {} if found is None else dict(zip(names, map(float, found), strict=True))


@lru_cache(maxsize=CACHED_QUERIES)
def _percentiles_query(metric: Metric, conditions: tuple[str, ...]) -> str:
    query = (
        exp.select(f"quantile_cont(value_sum, {list(PERCENTILES)})")
        .from_(counted_rows(metric).subquery("facts"))
        .where(*conditions)
    )
    return query.sql("duckdb")
