"""The values of the metrics page, read from the registry of metrics."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.figures import has_before, metric_named, registry_period
from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, run_query, snapshot
from warehouse import metric_values
from warehouse.metric_cases import Selection, Totals, read_cases, read_totals
from warehouse.metric_exclusions import Exclusion, read_exclusions
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
    """One metric whole: its values with percentiles, its sums by day, and what it leaves out."""

    lines: list[dict[str, Any]]
    days: pl.DataFrame
    exclusions: list[Exclusion]


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_list(warehouse: Path, scope: Scope, whole: Period) -> list[Line]:
    """Return every stored metric of a scope, as known on the last day of the record.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    before = scope.period.before
    with snapshot(warehouse) as cursor:
        now = metric_values.read_stored(cursor, registry_period(scope, scope.period, whole))
        earlier = metric_values.read_stored(cursor, registry_period(scope, before, whole))
    is_known = has_before(scope, whole)
    values = {_key(each): each.value for each in earlier} if is_known else {}
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


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_detail(warehouse: Path, name: str, scope: Scope, whole: Period) -> Detail:
    """Return one metric of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    metric = metric_named(name)
    with snapshot(warehouse) as cursor:
        period = registry_period(scope, scope.period, whole)
        found = metric_values.read_value(cursor, metric, period)
        exclusions = read_exclusions(cursor, metric, period)
        last_on = period.last_mature_on(metric)
        parameters = {**scope.parameters, "metric": name, "last_on": last_on}
        days = run_query(cursor, HERE / "sql" / "metric_by_day.sql", parameters)
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
    return Detail(lines, days, exclusions)


PAGE_SIZE = 25
"""Cases on one page of the list."""


@dataclass(frozen=True)
class Cases:
    """One page of the cases behind a figure, and the sums over all of them."""

    totals: Totals
    rows: pl.DataFrame
    page: int

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, -(-self.totals.cases // PAGE_SIZE))


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_cases(
    warehouse: Path, name: str, scope: Scope, whole: Period, selection: Selection, page: int
) -> Cases:
    """Return one page of the cases of a metric; beyond the last page, the last.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    metric, period = metric_named(name), registry_period(scope, scope.period, whole)
    with snapshot(warehouse) as cursor:
        totals = read_totals(cursor, metric, period, selection)
        number = min(page, max(1, -(-totals.cases // PAGE_SIZE)))
        skip = (number - 1) * PAGE_SIZE
        rows = read_cases(cursor, metric, period, selection, PAGE_SIZE, skip)
    return Cases(totals, rows, number)


def load_all_cases(
    warehouse: Path, name: str, scope: Scope, whole: Period, selection: Selection
) -> pl.DataFrame:
    """Return every case of a metric. Raises WarehouseMissingError, WarehouseNotReadyError."""
    metric, period = metric_named(name), registry_period(scope, scope.period, whole)
    with snapshot(warehouse) as cursor:
        return read_cases(cursor, metric, period, selection)
