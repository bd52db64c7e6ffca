"""The figures and queries of the overview page."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.figures import Figure, keep_figures, read_durations, read_figures
from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, run_query, snapshot

HERE = Path(__file__).parent

MEDIANS = ("bot_first_response", "human_first_response", "pickup_wait")
CARDS = ("conversations", "containment", "handoff_rate", "csat", *MEDIANS, "model_cost_usd")
SPLIT = ("contained_confirmed", "contained_assumed", "contained_silent", "contained_unanswered")
REASONS = "handoff_reasons"

SERIES = (
    "conversations_over_time",
    "messages_over_time",
    "handoff_rate_over_time",
    "handoff_rate_by_channel",
    "conversations_by_hour",
)


@dataclass(frozen=True)
class Overview:
    """The overview page, all of one snapshot of the warehouse. `reasons`: the most frequent first."""

    cards: dict[str, Figure]
    split: list[Figure]
    reasons: list[Figure]
    conversations: pl.DataFrame
    messages: pl.DataFrame
    handoff_rate: pl.DataFrame
    handoff_rate_by_channel: pl.DataFrame
    by_hour: pl.DataFrame


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_overview(warehouse: Path, scope: Scope, whole: Period) -> Overview:
    """Return the figures of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    parameters = {**scope.parameters, "grain": scope.period.grain}
    names = (*CARDS, *SPLIT, REASONS)
    with snapshot(warehouse) as cursor:
        keep_figures(cursor, scope, whole, names)
        medians = read_durations(cursor, scope, whole, MEDIANS)
        figures = read_figures(cursor, scope, whole, names, medians)
        frames = {
            name: run_query(cursor, HERE / "sql" / f"{name}.sql", parameters) for name in SERIES
        }
    reasons = [each for each in figures if each.name == REASONS and each.count]
    return Overview(
        cards={each.name: each for each in figures if each.name in CARDS},
        split=[each for name in SPLIT for each in figures if each.name == name],
        reasons=sorted(reasons, key=lambda each: (-(each.value or 0), each.breakdown)),
        conversations=frames["conversations_over_time"],
        messages=frames["messages_over_time"],
        handoff_rate=frames["handoff_rate_over_time"],
        handoff_rate_by_channel=frames["handoff_rate_by_channel"],
        by_hour=frames["conversations_by_hour"],
    )
