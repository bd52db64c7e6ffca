"""The cases behind a figure: the rows that it adds up, with a link to each transcript, and as a file."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import filters, formatting
from dashboards.cell_text import texts
from dashboards.downloads import show_downloads
from dashboards.filter_state import Period, Scope
from dashboards.metrics import data
from dashboards.metrics.data import Cases
from warehouse.metric import Metric
from warehouse.metric_cases import Selection

KEYS = ("part", "of", "order", "cases")
"""Query parameters of the list."""

TRANSCRIPT = "conversations/page.py"

COLUMNS: dict[str, Any] = {
    "active_on": st.column_config.DateColumn("Day", format="D MMM YYYY"),
    "conversation": "Conversation",
    "sequence": st.column_config.NumberColumn("From event", format="localized"),
    "channel": "Channel",
    "bot_id": "Bot",
    "bot_version": "Version of the bot",
    "breakdown": "Of",
    "numerator": st.column_config.NumberColumn("Counted", format="localized"),
    "denominator": st.column_config.NumberColumn("In the denominator", format="localized"),
    "value": "Value",
}


def show_cases(
    warehouse: Path, metric: Metric, scope: Scope, whole: Period, breakdowns: Sequence[str]
) -> None:
    """Show the cases of a metric in a scope; a metric about loads has none."""
    st.subheader("Conversations behind this figure", anchor=False)
    if not metric.has_conversations:
        st.info("This metric is about loads of the warehouse, not about conversations.")
        return
    selection = _choose(metric, breakdowns)
    page = filters.page_of("cases", (metric.name, scope, selection))
    found = data.load_cases(warehouse, metric.name, scope, whole, selection, page)
    if not found.totals.cases:
        st.info("No case matches these filters. Widen the period or drop a filter.")
        return
    st.caption(_sums(metric, found))
    _show_rows(metric, found)
    filters.choose_page("cases", found.page, found.pages)
    read = partial(data.load_all_cases, warehouse, metric.name, scope, whole, selection)
    asked = scope.named | {"metric": metric.name, **asdict(selection)}
    show_downloads(metric.name, found.totals.cases, read, asked)


def _choose(metric: Metric, breakdowns: Sequence[str]) -> Selection:
    has_breakdown = "breakdown" in metric.columns
    columns = st.columns(3 if has_breakdown else 2)
    with columns[0]:
        part = filters.choose("Cases", "part", _parts(metric), "All cases")
    with columns[1]:
        order = filters.choose("Order", "order", {"largest": "Largest first"}, "Newest first")
    breakdown = None
    if has_breakdown:
        with columns[2]:
            names = {each: formatting.quote(each) for each in breakdowns if each}
            breakdown = filters.choose("Of", "of", names, "All")
    return Selection(
        "counted" if part == "counted" else "other" if part == "other" else "all",
        breakdown,
        "largest" if order else "newest",
    )


def _parts(metric: Metric) -> dict[str, str]:
    if metric.kind == "ratio":
        return {"counted": "In the numerator", "other": "Only in the denominator"}
    return {"counted": "With a value", "other": "Without a value"}


def _sums(metric: Metric, found: Cases) -> str:
    totals = found.totals
    first = (found.page - 1) * data.PAGE_SIZE + 1
    place = (
        f"{first:,} to {first + found.rows.height - 1:,} of {formatting.counted(totals.cases, 'case')} in "
        f"{formatting.counted(totals.conversations, 'conversation')}"
    )
    match metric.kind:
        case "ratio":
            sums = f"together {totals.numerator:,} of {totals.denominator:,}"
        case "quotient":
            value = formatting.measure(totals.value, metric.unit)
            sums = f"together {value} over {totals.denominator:,}"
        case _:
            value = formatting.measure(totals.value, metric.unit)
            sums = f"{totals.values:,} with a value, together {value}"
    return f"{place} · {sums} · click a row to read its transcript"


def _show_rows(metric: Metric, found: Cases) -> None:
    names = ("bot_id", "bot_version", "breakdown")
    rows = found.rows.with_columns(
        *(texts(found.rows[name], formatting.quote) for name in names),
        texts(found.rows["channel"], formatting.channel),
        conversation=texts(found.rows["conversation_id"], formatting.reveal),
        value=texts(found.rows["value"], lambda each: _measure(float(each), metric)),
    )
    event = st.dataframe(
        rows.select(each for each in COLUMNS if each in _shown(metric, found)),
        key="case list",
        hide_index=True,
        column_config=COLUMNS,
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
    )
    chosen = [*event.selection.rows, *(row for row, _ in event.selection.cells)]
    if chosen and chosen[0] < found.rows.height:
        st.switch_page(
            TRANSCRIPT, query_params=address_of_case(found.rows.row(chosen[0], named=True))
        )


def _measure(value: float, metric: Metric) -> str:
    return f"{value:,.0f}" if metric.kind == "count" else formatting.measure(value, metric.unit)


def _shown(metric: Metric, found: Cases) -> set[str]:
    """Return the columns that the metric fills."""
    of_kind = {
        "ratio": {"numerator", "denominator"},
        "quotient": {"value", "denominator"},
    }.get(metric.kind, {"value"})
    optional = {
        name
        for name in ("sequence", "bot_id", "bot_version", "breakdown")
        if found.rows[name].null_count() < found.rows.height
    }
    return {"active_on", "conversation", "channel", *optional, *of_kind}


def address_of_case(case: dict[str, Any]) -> dict[str, str]:
    """Return the query parameters of the transcript, from the event of the case on."""
    found = {"conversation": case["conversation_id"]}
    if case["sequence"] is not None and case["sequence"] > 1:
        found["message"] = str(case["sequence"])
    return found
