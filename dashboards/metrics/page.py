"""The metrics page: every metric of a period by topic; one metric with its definition and its days."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting, page_layout
from dashboards.figure_cards import comparison
from dashboards.figures import find_metric
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.metrics import cases, data
from dashboards.metrics.charts import by_day
from dashboards.metrics.data import Detail, Line
from warehouse.metric import Metric, metrics

TOPICS = {
    "demand": "Demand",
    "bot": "Bot",
    "handoff": "Handoffs",
    "human": "People",
    "resolution": "Resolution",
    "feedback": "Feedback",
    "cost": "Cost",
    "pipeline": "Record",
}

COLUMNS: dict[str, Any] = {
    "title": st.column_config.TextColumn("Metric", width="large"),
    "value": "Value",
    "change": "Change",
    "cases": st.column_config.NumberColumn("Cases", format="localized"),
    "missing": st.column_config.NumberColumn("Missing", format="localized"),
    "until": "Final until",
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the metric that the URL names, or else the list."""
    scope = filters.choose_scope(bounds, whole, by_bot=True)
    name = st.query_params.get("metric")
    metric = find_metric(name)
    if name is not None and metric is None:
        st.warning("No metric has the name in the address.", icon=":material/search_off:")
    if metric is None:
        _show_list(warehouse, scope, bounds, whole)
    else:
        _show_metric(warehouse, metric, scope, bounds, whole)


def _show_list(warehouse: Path, scope: Scope, bounds: Bounds, whole: Period) -> None:
    period = scope.period
    st.caption(
        f"{formatting.days(period.first_on, period.last_on)} ({bounds.reporting_zone}) · "
        f"{comparison(scope, whole)} · tests are not counted · click a row for its definition"
    )
    lines = data.load_list(warehouse, scope, whole)
    for topic, title in TOPICS.items():
        names = {metric.name: metric for metric in metrics() if metric.topic == topic}
        _show_topic(
            title, topic, [(names[each.name], each) for each in lines if each.name in names]
        )
    computed = [metric for metric in metrics() if not metric.is_stored]
    st.caption("Computed when opened, because they compare conversations or use business hours:")
    with st.container(horizontal=True):
        for metric in computed:
            st.button(metric.title, key=f"open {metric.name}", on_click=_open, args=(metric.name,))


def _show_topic(title: str, topic: str, lines: list[tuple[Metric, Line]]) -> None:
    st.subheader(title, anchor=False)
    st.dataframe(
        pl.DataFrame([_row(metric, line) for metric, line in lines]),
        key=f"list {topic}",
        hide_index=True,
        column_config=COLUMNS,
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open_selected(topic, [metric.name for metric, _ in lines]),
        selection_mode=["single-row", "single-cell"],
    )


def _row(metric: Metric, line: Line) -> dict[str, Any]:
    breakdown = f": {formatting.quote(line.breakdown)}" if line.breakdown else ""
    return {
        "title": metric.title + breakdown,
        "value": formatting.measure(line.value, metric.unit),
        "change": formatting.change_of(line.value, line.before, metric.unit),
        "cases": line.count,
        "missing": line.missing,
        "until": formatting.day(line.last_on),
    }


def _open_selected(topic: str, names: list[str]) -> None:
    selected = st.session_state[f"list {topic}"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < len(names):
        _open(names[chosen[0]])


def _open(name: str) -> None:
    st.query_params["metric"] = name


def _close() -> None:
    for key in ("metric", *cases.KEYS):
        st.query_params.pop(key, None)


def _show_metric(
    warehouse: Path, metric: Metric, scope: Scope, bounds: Bounds, whole: Period
) -> None:
    st.button("All metrics", icon=":material/arrow_back:", on_click=_close)
    found = data.load_detail(warehouse, metric.name, scope, whole)
    st.subheader(metric.title, anchor=False)
    st.text(metric.question)
    period = scope.period
    st.caption(f"{formatting.days(period.first_on, period.last_on)} ({bounds.reporting_zone})")
    st.dataframe(
        pl.DataFrame([_detail_row(metric, each) for each in found.lines]),
        hide_index=True,
        height="content",
        column_config=DETAIL | {"value": "Mean" if metric.kind == "duration" else "Value"},
    )
    if found.days["value_count"].count():
        st.altair_chart(by_day(found.days, metric), alt=f"{metric.title} by day")
    if scope.names_bot and "bot_id" not in metric.columns:
        st.info("This metric does not know the bot. Choose all bots and all versions above.")
    _show_definition(metric, found)
    breakdowns = [each["breakdown"] or "" for each in found.lines]
    cases.show_cases(warehouse, metric, scope, whole, breakdowns)


def _detail_row(metric: Metric, each: dict[str, Any]) -> dict[str, Any]:
    return {
        "breakdown": formatting.quote(each["breakdown"]) if each["breakdown"] else "All",
        **{
            name: formatting.measure(each[name], metric.unit)
            for name in ("value", "p50", "p90", "p95")
        },
        "count": each["count"],
        "missing": each["missing"],
    }


DETAIL: dict[str, Any] = {
    "breakdown": "Of",
    "p50": "Median",
    "p90": "90 % below",
    "p95": "95 % below",
    "count": st.column_config.NumberColumn("Cases", format="localized"),
    "missing": st.column_config.NumberColumn("Missing", format="localized"),
}


def _left_out(found: Detail) -> list[tuple[str, str]]:
    """Return what the metric left out in the period, by reason."""
    if not found.exclusions:
        return []
    counts = (f"{each.rows:,} {each.reason}" for each in found.exclusions)
    return [("Left out in this period", "; ".join(counts))]


def _maturity(days: int) -> str:
    return formatting.counted(days, "day") if days else "the day itself"


def _show_definition(metric: Metric, found: Detail) -> None:
    with st.container(border=True):
        for label, text in (
            ("Formula", metric.formula),
            ("Clock", metric.clock),
            ("Leaves out", metric.excludes),
            *_left_out(found),
            ("Final after", _maturity(metric.maturity_days)),
            ("Defined by", f"{metric.owner}, version {metric.version}; source: {metric.source}"),
        ):
            st.caption(label)
            st.text(text)
    with st.expander("SQL of its cases, to copy", icon=":material/code:"):
        st.code(metric.text, language="sql", wrap_lines=True)


page_layout.show_page("Metrics", show)
