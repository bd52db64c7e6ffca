"""The bot quality page: what the bot understands, how fast it answers, where customers leave, version by version."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting, page_layout
from dashboards.bot_quality import charts, data
from dashboards.bot_quality.data import BotQuality, Latency
from dashboards.bot_quality.versions import show_versions
from dashboards.figure_cards import show_cards, show_link, show_scope
from dashboards.figure_links import show_linked_table
from dashboards.figures import Figure
from dashboards.filter_state import Bounds, Period, Scope
from dashboards.filters import choose_scope

INTENTS: dict[str, Any] = {
    "intent": "First intent",
    "demands": st.column_config.NumberColumn("Demands", format="localized"),
    "handoff_rate_by_intent": "Handed off",
    "containment_by_intent": "Contained",
    "resolution_rate_by_intent": "Resolved",
    "csat_by_intent": "Positive ratings",
    "ratings": st.column_config.NumberColumn("Ratings", format="localized"),
}
POINTS: dict[str, Any] = {
    "intent": "Last intent",
    "left": st.column_config.NumberColumn("Left the bot", format="localized"),
    "of": st.column_config.NumberColumn("Of demands", format="localized"),
    "rate": "Share",
}
LATENCY: dict[str, Any] = {"version": "Version of the bot", "p50": "Median", "p95": "95 % below"}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the quality of the bot in the chosen period."""
    scope = choose_scope(bounds, whole, by_bot=True)
    found = data.load_bot_quality(warehouse, scope, whole)
    show_scope(scope, bounds, whole)
    show_cards(
        "bot", [(label, found.cards[name]) for name, label in data.CARDS.items()], scope, whole
    )
    with st.container(horizontal=True):
        for name, label in (
            ("fallback_rate", "Turns with a fallback"),
            ("unanswered_turns", "Turns without an answer"),
            ("bot_abandonment", "Demands that were left"),
        ):
            show_link(found.cards[name], scope, whole, label, part="counted")
    if not any(each.count for each in found.cards.values()):
        st.info("No bot answered in this period with these filters. Change them above.")
        return
    _show_intents(found, scope, whole)
    _show_points(found, scope, whole)
    _show_latency(found)
    show_versions(found.versions, scope, whole)


def _show_intents(found: BotQuality, scope: Scope, whole: Period) -> None:
    st.subheader("Intents and their outcomes", anchor=False)
    if not found.intents:
        st.info("No demand is final yet in this period with these filters.")
        return
    st.caption(
        "Final demands by the first intent that the bot understood (payload.nlu.intent) · "
        "click a row for its conversations"
    )
    rows = [_intent_row(intent, figures) for intent, figures in found.intents.items()]
    opens = [{"metric": "handoff_rate_by_intent", "of": intent} for intent in found.intents]
    show_linked_table("intents", rows, INTENTS, opens, scope, whole)


def _intent_row(intent: str, figures: dict[str, Figure]) -> dict[str, Any]:
    rated = figures.get("csat_by_intent")
    return {
        "intent": formatting.quote(intent),
        "demands": figures["handoff_rate_by_intent"].count,
        **{
            name: formatting.share(figures[name].value) if name in figures else None
            for name in data.INTENTS
        },
        "ratings": rated.count if rated else 0,
    }


def _show_points(found: BotQuality, scope: Scope, whole: Period) -> None:
    st.subheader("Where customers leave the bot", anchor=False)
    if not found.points:
        st.info("No customer left the bot in this period with these filters.")
        return
    st.caption(
        "Demands that ended while the bot waited, by the last intent that it reported · "
        "click a row for its conversations"
    )
    frame = pl.DataFrame(
        [
            {
                "intent": formatting.quote(each.breakdown),
                "left": round(each.numerator),
                "of": each.count,
                "rate": each.value,
            }
            for each in found.points
        ]
    )
    left, right = st.columns(2)
    with left.container(border=True):
        st.altair_chart(
            charts.abandonment(frame.head(12)), alt="Customers who left, by last intent"
        )
    with right:
        rows = [{**row, "rate": formatting.share(row["rate"])} for row in frame.to_dicts()]
        opens = [
            {"metric": data.POINTS, "of": each.breakdown, "part": "counted"}
            for each in found.points
        ]
        show_linked_table("points", rows, POINTS, opens, scope, whole)


def _show_latency(found: BotQuality) -> None:
    st.subheader("How fast the bot answers", anchor=False)
    if not found.latency_by_day:
        st.info("The bot answered no turn in this period with these filters.")
        return
    left, right = st.columns([3, 2])
    with left.container(border=True):
        st.caption("Seconds from the customer's message to the bot's, by day of the turn")
        st.altair_chart(charts.latency(_by_day(found.latency_by_day)), alt="Latency by day")
    with right:
        st.caption("Every version of the bot")
        rows = [
            {
                "version": formatting.quote(each.of) if each.of else "no version",
                "p50": formatting.measure(each.p50, "seconds"),
                "p95": formatting.measure(each.p95, "seconds"),
            }
            for each in found.latency_by_version
        ]
        st.dataframe(pl.DataFrame(rows), hide_index=True, column_config=LATENCY, height="content")


def _by_day(days: list[Latency]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"day": str(each.of), "percentile": name, "seconds": seconds}
            for each in days
            for name, seconds in (("Median", each.p50), ("95 % below", each.p95))
        ]
    )


page_layout.show_page("Bot quality", show)
