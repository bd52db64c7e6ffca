"""The overview page: activity by time and channel, and the handoff rate."""

from pathlib import Path

import streamlit as st

from dashboards import formatting, page_layout
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.filters import choose_scope
from dashboards.overview import charts, data
from dashboards.overview.data import Overview

STEPS = {"day": "by day", "week": "by week (from Monday)", "month": "by month"}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the figures of the chosen period."""
    scope = choose_scope(bounds, whole)
    found = data.load_overview(warehouse, scope)
    _show_headline(found, scope, bounds)
    if not found.conversations.height:
        st.info("Nothing happened in this period on these channels. Choose another period above.")
        return
    _show_volumes(found, scope, bounds)
    _show_handoffs(found, scope, bounds)
    _explain(scope, bounds)


def _show_headline(found: Overview, scope: Scope, bounds: Bounds) -> None:
    period, row = scope.period, found.headline
    compared = (
        f"change against the {formatting.counted(period.days, 'day')} before"
        if row["has_before"]
        else "no whole period before on record to compare with"
    )
    st.caption(
        f"{formatting.days(period.first_on, period.last_on)} ({bounds.reporting_zone}) · {compared}"
    )
    figures = [
        ("Conversations", formatting.count(row["conversations"]), formatting.change(row["conversations_change"])),
        ("Messages", formatting.count(row["messages"]), formatting.change(row["messages_change"])),
        ("Sessions", formatting.count(row["sessions"]), formatting.change(row["sessions_change"])),
        ("Handoff rate", formatting.share(row["handoff_rate"]), formatting.change_in_points(row["handoff_rate_change"])),
        ("Median pickup wait", formatting.duration(row["wait_seconds"]), formatting.change_in_time(row["wait_seconds_change"])),
    ]  # fmt: skip
    with st.container(key="headline"):
        for column, (label, value, delta) in zip(st.columns(len(figures)), figures, strict=True):
            # More is neither good nor bad here, so the change has no colour.
            column.metric(label, value, delta, delta_color="off", border=True)


def _show_volumes(found: Overview, scope: Scope, bounds: Bounds) -> None:
    grain = scope.period.grain
    left, right = st.columns(2)
    with left.container(border=True):
        _head("Conversations by channel", f"Conversations begun, {STEPS[grain]}")
        colours = charts.channel_colours(bounds.channels)
        st.altair_chart(
            charts.conversations_by_channel(found.conversations, grain, colours),
            alt="Conversations begun over time, stacked by channel",
        )
    with right.container(border=True):
        _head("Messages by role", f"Public messages, {STEPS[grain]}")
        st.altair_chart(
            charts.messages_by_role(found.messages, grain),
            alt="Messages over time, stacked by role",
        )


def _show_handoffs(found: Overview, scope: Scope, bounds: Bounds) -> None:
    grain = scope.period.grain
    left, right = st.columns(2)
    with left.container(border=True):
        _head("Handoff rate over time", f"Percent of demands, {STEPS[grain]}")
        st.altair_chart(
            charts.handoff_rate_over_time(found.handoff_rate, grain),
            alt="Handoff rate, over time",
        )
    with right.container(border=True):
        _head("Handoff rate by channel", "Percent of demands that opened in the period")
        colours = charts.channel_colours(bounds.channels)
        st.altair_chart(
            charts.handoff_rate_by_channel(found.handoff_rate_by_channel, colours),
            alt="Handoff rate, by channel",
        )


def _head(title: str, unit: str) -> None:
    st.subheader(title, anchor=False)
    st.caption(unit)


def _explain(scope: Scope, bounds: Bounds) -> None:
    partial = (
        "" if scope.period.grain == "day" else " The first and the last step may be cut short."
    )
    st.caption(
        "Handoff rate and pickup wait are metrics of the registry: the page Metrics defines them. "
        "A gap means that no demand of that step is final. Test conversations and internal notes "
        "are not counted. "
        f"Days are those of the reporting zone, {bounds.reporting_zone}.{partial}"
    )


page_layout.show_page("Overview", show)
