"""The queries of the overview page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.filter_state import Scope
from dashboards.warehouse_reader import TTL_SECONDS, read_frames

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Overview:
    """The frames of the overview page, all of one snapshot of the warehouse."""

    headline: dict[str, Any]
    conversations: pl.DataFrame
    messages: pl.DataFrame
    handoff_rate: pl.DataFrame
    handoff_rate_by_channel: pl.DataFrame


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_overview(warehouse: Path, scope: Scope) -> Overview:
    """Return the figures of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    period = scope.period
    parameters = {
        **scope.parameters,
        "before_first_on": period.before.first_on,
        "before_last_on": period.before.last_on,
        "grain": period.grain,
    }
    series = ["conversations_over_time", "messages_over_time", "handoff_rate_over_time"]
    frames = read_frames(
        warehouse, HERE, ["headline", *series, "handoff_rate_by_channel"], parameters
    )
    return Overview(
        headline=frames["headline"].row(0, named=True),
        conversations=frames["conversations_over_time"],
        messages=frames["messages_over_time"],
        handoff_rate=frames["handoff_rate_over_time"],
        handoff_rate_by_channel=frames["handoff_rate_by_channel"],
    )
