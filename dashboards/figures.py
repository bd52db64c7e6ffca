"""Figures of the registry for a page: value, change against the period before, and a trend.

Plain values, so that a page can cache them. A page reads them here; it defines no metric.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from dashboards.filter_state import Period, Scope
from warehouse import metric_values
from warehouse.metric import Metric, metrics
from warehouse.metric_values import Group, MetricValue


@dataclass(frozen=True)
class Figure:
    """One metric of a scope, or one value of its breakdown.

    `before` is None if the period before is not wholly on record. A duration has its median in `value` if it
    was asked for. `trend` has a value for each final day, None without a case. `has_version` is False for a
    metric that does not know the version of the bot. `group`: the day, version or channel that it is of.
    """

    name: str
    title: str
    question: str
    unit: str
    breakdown: str
    value: float | None
    before: float | None
    count: int
    missing: int
    numerator: float
    last_on: date
    trend: tuple[float | None, ...] = ()
    has_version: bool = True
    group: date | str | None = None


def registry_period(scope: Scope, period: Period, whole: Period) -> metric_values.Period:
    """Return a period with the filters of `scope`, as known on the last day of the record."""
    return metric_values.Period(
        period.first_on, period.last_on, whole.last_on, scope.channels, scope.bot_version
    )


def find_metric(name: str | None) -> Metric | None:
    """Return the metric with this name."""
    return next((each for each in metrics() if each.name == name), None)


def metric_named(name: str) -> Metric:
    """Return the metric with a name of the registry. Raises KeyError."""
    return {each.name: each for each in metrics()}[name]


def read_figures(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    whole: Period,
    names: Collection[str],
    medians: Collection[str] = (),
) -> list[Figure]:
    """Return the stored metrics `names` of a scope; those in `medians` with their median as value."""
    now = registry_period(scope, scope.period, whole)
    earlier = registry_period(scope, scope.period.before, whole)
    values = metric_values.read_stored(cursor, now, names)
    has_before = earlier.first_on >= whole.first_on
    before = metric_values.read_stored(cursor, earlier, names) if has_before else []
    values = [_with_median(cursor, each, now, medians) for each in values]
    before = [_with_median(cursor, each, earlier, medians) for each in before]
    known = {_key(each): each.value if each.p50 is None else each.p50 for each in before}
    trends = _trends(metric_values.read_stored_by(cursor, now, "active_on", names))
    for name in medians:
        days = metric_values.read_percentiles(cursor, metric_named(name), now, "active_on")
        trends[name, ""] = {day: p50 for day, p50, _ in days}
    return [
        _figure(each, known.get(_key(each)), trends.get(_key(each), {}), scope.period)
        for each in values
    ]


def read_groups(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    whole: Period,
    group: Group,
    names: Collection[str],
) -> list[Figure]:
    """Return the stored metrics `names` of a scope for each day, version or channel with cases."""
    period = registry_period(scope, scope.period, whole)
    values = metric_values.read_stored_by(cursor, period, group, names)
    return [_figure(each, None, {}, scope.period) for each in values]


def _with_median(
    cursor: duckdb.DuckDBPyConnection,
    value: MetricValue,
    period: metric_values.Period,
    medians: Collection[str],
) -> MetricValue:
    """Return the value with percentiles from the facts, if its median is asked for."""
    if value.metric.name not in medians or not value.count:
        return value
    return metric_values.read_value(cursor, value.metric, period)[0]


def _key(value: MetricValue) -> tuple[str, str]:
    return value.metric.name, value.breakdown


def _trends(values: list[MetricValue]) -> dict[tuple[str, str], dict[date, float | None]]:
    found: dict[tuple[str, str], dict[date, float | None]] = {}
    for each in values:
        assert isinstance(each.group, date)  # noqa: S101 (it was asked for by day)
        found.setdefault(_key(each), {})[each.group] = each.value
    return found


def _figure(
    value: MetricValue,
    before: float | None,
    days: dict[date, float | None],
    period: Period,
) -> Figure:
    metric = value.metric
    length = (value.last_on - period.first_on).days + 1
    each_day = [period.first_on + timedelta(days=number) for number in range(length)]
    empty = 0.0 if metric.kind in ("count", "sum") else None
    return Figure(
        name=metric.name,
        title=metric.title,
        question=metric.question,
        unit=metric.unit,
        breakdown=value.breakdown,
        value=value.value if value.p50 is None else value.p50,
        before=before,
        count=value.count,
        missing=value.missing,
        numerator=value.numerator,
        last_on=value.last_on,
        group=value.group,
        trend=tuple(days.get(day, empty) for day in each_day) if days else (),
        has_version="bot_version" in metric.columns,
    )
