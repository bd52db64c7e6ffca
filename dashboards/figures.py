"""Figures of the registry for a page: value, change against the period before, and a trend.

Plain values, so that a page can cache them. A page reads them here; it defines no metric.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

import duckdb

from dashboards.filter_state import Period, Scope
from warehouse import metric_values
from warehouse.metric import Metric, metrics
from warehouse.metric_comparison import Compared, Percentiles, compare, read_percentiles
from warehouse.metric_values import Group, MetricValue


@dataclass(frozen=True)
class Figure:
    """One metric of a scope, or one value of its breakdown.

    `before` is None if the period before is not wholly on record. A duration has its median in `value` if
    `is_median`, else its mean. `trend` has a value for each final day, None without a case. `has_bot` is False for a
    metric that knows neither the bot nor its version. `group`: the day, version or channel that it is of.
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
    has_bot: bool = True
    is_median: bool = False
    group: date | str | None = None


def registry_period(scope: Scope, period: Period, whole: Period) -> metric_values.Period:
    """Return a period with the filters of `scope`, as known on the last day of the record."""
    return metric_values.Period(
        period.first_on,
        period.last_on,
        whole.last_on,
        scope.channels,
        scope.bot_version,
        scope.bot_id,
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
    percentiles: Mapping[str, Percentiles] = MappingProxyType({}),
) -> list[Figure]:
    """Return the stored metrics `names` of a scope; those in `percentiles` with their median as value."""
    period = registry_period(scope, scope.period, whole)
    found = compare(cursor, period, names, has_before=has_before(scope, whole))
    return [
        _figure(each.now, each.before, each.days, scope.period)
        if each.now.metric.name not in percentiles
        else _with_median(each, percentiles[each.now.metric.name], scope.period)
        for each in found
    ]


def has_before(scope: Scope, whole: Period) -> bool:
    """Return whether the period before is wholly on record."""
    return scope.period.before.first_on >= whole.first_on


def keep_figures(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, whole: Period, names: Collection[str]
) -> None:
    """Read what the stored metrics `names` of a scope and of the period before are made of, once for all queries."""
    first = scope.period.before if has_before(scope, whole) else scope.period
    metric_values.keep_stored(cursor, first.first_on, scope.period.last_on, names)


def read_durations(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, whole: Period, names: Collection[str]
) -> dict[str, Percentiles]:
    """Return the percentiles of the durations `names`, from the facts."""
    period = registry_period(scope, scope.period, whole)
    return {
        name: read_percentiles(
            cursor, metric_named(name), period, has_before=has_before(scope, whole)
        )
        for name in names
    }


def read_breakdowns(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, whole: Period, names: Collection[str]
) -> list[Figure]:
    """Return the stored metrics `names` of a scope, without change and trend."""
    period = registry_period(scope, scope.period, whole)
    values = metric_values.read_stored(cursor, period, names)
    return [_figure(each, None, {}, scope.period) for each in values]


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


def _with_median(compared: Compared, found: Percentiles, period: Period) -> Figure:
    value = replace(compared.now, value=found.now[0])
    days = {day: p50 for day, (p50, _) in found.days.items()}
    return replace(_figure(value, found.before[0], days, period), is_median=True)


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
        value=value.value,
        before=before,
        count=value.count,
        missing=value.missing,
        numerator=value.numerator,
        last_on=value.last_on,
        group=value.group,
        trend=tuple(days.get(day, empty) for day in each_day) if days else (),
        has_bot="bot_id" in metric.columns,
    )
