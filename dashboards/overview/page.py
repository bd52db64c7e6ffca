"""The overview page: the figures of a period, what they are made of, and when it happened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards import formatting, page_layout
from dashboards.figure_cards import show_cards, show_link, show_scope
from dashboards.figures import Figure
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.filters import choose_scope
from dashboards.overview import charts, data
from dashboards.overview.data import Overview

STEPS = {"day": "by day", "week": "by week (from Monday)", "month": "by month"}

REASONS_SHOWN = 10
"""Bars of the chart of reasons."""

FIRST_ROW = {
    "conversations": "Conversations",
    "containment": "Containment",
    "handoff_rate": "Handoff rate",
    "csat": "Customer satisfaction",
}
SECOND_ROW = {
    "bot_first_response": "First response, bot",
    "human_first_response": "First response, human",
    "pickup_wait": "Pickup wait",
    "model_cost_usd": "Cost of model calls",
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the figures of the chosen period."""
    scope = choose_scope(bounds, whole, by_bot=True)
    found = data.load_overview(warehouse, scope, whole)
    show_scope(scope, bounds, whole)
    for number, row in enumerate((FIRST_ROW, SECOND_ROW)):
        cards = [(label, found.cards[name]) for name, label in row.items()]
        show_cards(str(number), cards, scope, whole)
    if not found.conversations.height:
        st.info("No conversation began in this period with these filters. Change them above.")
        return
    _show_parts(found, scope, whole)
    _show_volumes(found, scope, bounds, whole)
    _show_handoffs(found, scope, bounds, whole)
    _show_hours(found, bounds)
    _explain(scope, bounds)


def _show_parts(found: Overview, scope: Scope, whole: Period) -> None:
    left, right = st.columns(2)
    with left.container(border=True):
        _head("What contained means", "Percent of the contained demands; contained is not solved")
        split = {each.title.removeprefix("Contained: ").capitalize(): each for each in found.split}
        _show_bars(split, "Outcome")
        with st.container(horizontal=True):
            for label, figure in split.items():
                show_link(figure, scope, whole, label)
    with right.container(border=True):
        _head("Why demands go to a human", "Handoffs by reason, on the day of the request")
        if not found.reasons:
            st.info("No handoff was requested in this period with these filters.")
            return
        shown = found.reasons[:REASONS_SHOWN]
        _show_bars({formatting.quote(each.breakdown): each for each in shown}, "Reason")
        if len(found.reasons) > len(shown):
            st.caption(f"The {len(shown)} most frequent of {len(found.reasons):,} reasons")
        show_link(_of_all(found.reasons), scope, whole)


def _of_all(reasons: Sequence[Figure]) -> Figure:
    """Return a figure that links to all values of the breakdown."""
    return replace(reasons[0], breakdown="")


def _show_bars(figures: dict[str, Figure], name: str) -> None:
    frame = pl.DataFrame(
        {
            "part": list(figures),
            "value": [each.value for each in figures.values()],
            "shown": [formatting.measure(each.value, each.unit) for each in figures.values()],
            "cases": [each.count for each in figures.values()],
        },
        schema_overrides={"value": pl.Float64},
    )
    unit = next(iter(figures.values())).unit
    st.altair_chart(charts.parts(frame, name, unit), alt=f"{name}s with their values")


def _show_volumes(found: Overview, scope: Scope, bounds: Bounds, whole: Period) -> None:
    grain = scope.period.grain
    left, right = st.columns(2)
    with left.container(border=True):
        _head("Conversations by channel", f"Conversations begun, {STEPS[grain]}")
        colours = charts.channel_colours(bounds.channels)
        st.altair_chart(
            charts.conversations_by_channel(found.conversations, grain, colours),
            alt="Conversations begun over time, stacked by channel",
        )
        show_link(found.cards["conversations"], scope, whole)
    with right.container(border=True):
        of = ", with every bot" if scope.names_bot else ""
        _head("Messages by role", f"Public messages, {STEPS[grain]}{of}")
        st.altair_chart(
            charts.messages_by_role(found.messages, grain),
            alt="Messages over time, stacked by role",
        )


def _show_handoffs(found: Overview, scope: Scope, bounds: Bounds, whole: Period) -> None:
    grain = scope.period.grain
    left, right = st.columns(2)
    with left.container(border=True):
        _head("Handoff rate over time", f"Percent of demands, {STEPS[grain]}")
        st.altair_chart(
            charts.handoff_rate_over_time(found.handoff_rate, grain),
            alt="Handoff rate, over time",
        )
        show_link(found.cards["handoff_rate"], scope, whole)
    with right.container(border=True):
        _head("Handoff rate by channel", "Percent of demands that opened in the period")
        colours = charts.channel_colours(bounds.channels)
        st.altair_chart(
            charts.handoff_rate_by_channel(found.handoff_rate_by_channel, colours),
            alt="Handoff rate, by channel",
        )
        show_link(found.cards["handoff_rate"], scope, whole)


def _show_hours(found: Overview, bounds: Bounds) -> None:
    with st.container(border=True):
        _head(
            "When conversations begin",
            f"Conversations by day of the week and hour ({bounds.reporting_zone})",
        )
        st.altair_chart(
            charts.hour_map(found.by_hour, "conversations", "Conversations"),
            alt="Conversations begun by weekday and hour",
        )


def _head(title: str, unit: str) -> None:
    st.subheader(title, anchor=False)
    st.caption(unit)


def _explain(scope: Scope, bounds: Bounds) -> None:
    partial = (
        "" if scope.period.grain == "day" else " The first and the last step may be cut short."
    )
    st.caption(
        "Every figure with a link is a metric of the registry: the link opens the definition and the conversations "
        "behind it. Messages by role and the hours of the week have no metric: they are counted from the record. "
        "A gap means that no demand of that step is final. Internal notes are not counted. "
        f"Days are those of the reporting zone, {bounds.reporting_zone}.{partial}"
    )


page_layout.show_page("Overview", show)
