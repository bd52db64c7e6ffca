"""The values of the metrics page, read from the registry of metrics."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, read_frames, snapshot
from warehouse import metric_values
from warehouse.metric import Metric, metrics
from warehouse.metric_values import MetricValue

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Line:
    """One metric of the list, or one value of its breakdown.

    `before`: its value in the period before; None if that period is not wholly on record.
    """

    name: str
    breakdown: str
    value: float | None
    before: float | None
    count: int
    missing: int
    last_on: date


@dataclass(frozen=True)
class Detail:
    """One metric whole: its values with percentiles, and its sums by day."""

    lines: list[dict[str, Any]]
    days: pl.DataFrame


def find_metric(name: str | None) -> Metric | None:
    """Return the metric with this name."""
    return next((each for each in metrics() if each.name == name), None)


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_list(warehouse: Path, scope: Scope, whole: Period) -> list[Line]:
    """Return every stored metric of a scope, as known on the last day of the record.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    before = scope.period.before
    with snapshot(warehouse) as cursor:
        now = metric_values.read_stored(cursor, _period(scope, scope.period, whole))
        earlier = metric_values.read_stored(cursor, _period(scope, before, whole))
    is_whole = before.first_on >= whole.first_on
    values = {_key(each): each.value for each in earlier} if is_whole else {}
    return [
        Line(
            each.metric.name,
            each.breakdown,
            each.value,
            values.get(_key(each)),
            each.count,
            each.missing,
            each.last_on,
        )
        for each in now
    ]


def _key(value: MetricValue) -> tuple[str, str]:
    return value.metric.name, value.breakdown


def _period(scope: Scope, period: Period, whole: Period) -> metric_values.Period:
    return metric_values.Period(period.first_on, period.last_on, whole.last_on, scope.channels)


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_detail(warehouse: Path, name: str, scope: Scope, whole: Period) -> Detail:
    """Return one metric of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    metric = find_metric(name)
    assert metric is not None  # noqa: S101 (the page found it by this name)
    with snapshot(warehouse) as cursor:
        found = metric_values.read_value(cursor, metric, _period(scope, scope.period, whole))
    last_on = _period(scope, scope.period, whole).last_mature_on(metric)
    parameters = {**scope.parameters, "metric": name, "last_on": last_on}
    days = read_frames(warehouse, HERE, ["metric_by_day"], parameters)
    lines = [
        {
            "breakdown": each.breakdown or None,
            "value": each.value,
            "p50": each.p50,
            "p90": each.p90,
            "p95": each.p95,
            "count": each.count,
            "missing": each.missing,
        }
        for each in found
    ]
    return Detail(lines, days["metric_by_day"])
