"""The handoffs page: how far handoffs came, how long customers waited, why, where and when."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting, page_layout
from dashboards.cell_text import texts
from dashboards.figure_cards import DEFINITION, hours_note
from dashboards.figure_links import show_linked_table
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.handoffs import charts, data
from dashboards.handoffs.data import Handoffs
from dashboards.overview.charts import hour_map

STAGES = {
    "requested": "Requested",
    "accepted": "Accepted",
    "replied": "First reply",
    "finished": "Resolved or closed",
    "returned": "Returned to the bot",
    "abandoned": "Customer left the queue",
    "expired": "Expired in the queue",
    "cancelled": "Ended before acceptance",
    "unserved": "Ended without a reply",
    "open_now": "Open",
}
CONVERSATIONS = "conversations/page.py"
COLUMNS: dict[str, Any] = {
    "name": "Name",
    "requested": st.column_config.NumberColumn("Requested", format="localized"),
    "accepted": st.column_config.NumberColumn("Accepted", format="localized"),
    "abandoned": st.column_config.NumberColumn("Left the queue", format="localized"),
    "unserved": st.column_config.NumberColumn("Without a reply", format="localized"),
    "wait_p50": "Median wait",
    "wait_p90": "90 % wait at most",
    "reply_p50": "Median to first reply",
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the handoffs that were requested in the chosen period."""
    scope = filters.choose_scope(bounds, whole)
    found = data.load_handoffs(warehouse, scope, whole, has_business_hours=bool(bounds.hours_zones))
    period = scope.period
    st.caption(
        f"Handoffs requested {formatting.days(period.first_on, period.last_on)} "
        f"({bounds.reporting_zone}) · tests are not counted · the end is that of today · "
        f"{hours_note(bounds)}"
    )
    if not found.funnel["requested"]:
        st.info("No handoff was requested in this period on these channels.")
        return
    _show_charts(found, bounds)
    st.subheader("Reasons", anchor=False)
    st.caption("Click a row for its handoffs")
    _show_groups("reasons", found.reasons, DEFINITION, scope, whole)
    st.subheader("Queues", anchor=False)
    st.caption("By the first queue · click a row for the period's conversations with it")
    _show_groups("queues", found.queues, CONVERSATIONS, scope, whole)


def _show_charts(found: Handoffs, bounds: Bounds) -> None:
    left, right = st.columns(2)
    stages = pl.DataFrame(
        {"stage": list(STAGES.values()), "handoffs": [found.funnel[key] for key in STAGES]}
    )
    with left.container(border=True):
        st.subheader("How far they came", anchor=False)
        st.caption("Handoffs; each stage is counted on its own")
        st.altair_chart(charts.funnel(stages), alt="Handoffs by stage")
    with right.container(border=True):
        st.subheader("How long customers waited", anchor=False)
        st.caption(_clocks(bounds))
        st.altair_chart(charts.waits(found.waits), alt="Handoffs by wait")
    with st.container(border=True):
        st.subheader("When they were requested", anchor=False)
        st.caption(f"Handoffs by day of the week and hour ({bounds.reporting_zone})")
        st.altair_chart(
            hour_map(found.by_hour, "requested", "Handoffs"), alt="Handoffs by weekday and hour"
        )


def _clocks(bounds: Bounds) -> str:
    if not bounds.hours_zones:
        return "Handoffs by wait from the request, every hour counted"
    zones = ", ".join(bounds.hours_zones)
    return f"Handoffs by wait from the request, every hour counted and in business hours ({zones})"


def _show_groups(key: str, groups: pl.DataFrame, page: str, scope: Scope, whole: Period) -> None:
    durations = [
        texts(groups[name], formatting.duration) for name in ("wait_p50", "wait_p90", "reply_p50")
    ]
    shown = groups.with_columns(
        texts(groups["name"].fill_null("none"), formatting.quote), *durations
    )
    opens = [data.behind(key, name, scope.period) for name in groups["name"]]
    show_linked_table(key, shown.to_dicts(), COLUMNS, opens, scope, whole, page=page)


page_layout.show_page("Handoffs", show)
