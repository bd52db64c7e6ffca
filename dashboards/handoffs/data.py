"""The queries of the handoffs page."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.filter_state import Period, Scope
from dashboards.warehouse_reader import TTL_SECONDS, read_frames

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Handoffs:
    """The frames of the page, all of one snapshot of the warehouse."""

    funnel: dict[str, int]
    waits: pl.DataFrame
    reasons: pl.DataFrame
    queues: pl.DataFrame
    by_hour: pl.DataFrame


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_handoffs(warehouse: Path, scope: Scope) -> Handoffs:
    """Return the handoffs requested in a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    names = ["funnel", "waits", "groups", "by_hour"]
    frames = read_frames(warehouse, HERE, names, scope.parameters)
    return Handoffs(
        funnel=frames["funnel"].row(0, named=True),
        waits=frames["waits"],
        reasons=_of(frames["groups"], "reason"),
        queues=_of(frames["groups"], "queue"),
        by_hour=frames["by_hour"],
    )


def _of(groups: pl.DataFrame, grouping: str) -> pl.DataFrame:
    return groups.filter(pl.col("grouping") == grouping).drop("grouping")


def behind(grouping: str, name: str | None, period: Period) -> dict[str, str] | None:
    """Return the query parameters of the page with the handoffs of a reason, or the conversations of a queue.

    None for handoffs without a name.
    """
    if name is None:
        return None
    # A URL without a period takes the filters of the page before, a bot too; this page has no bot.
    days = {"from": period.first_on.isoformat(), "to": period.last_on.isoformat()}
    if grouping == "reasons":
        return days | {"metric": "handoff_reasons", "of": name}
    # A handoff of the period may be of a conversation that began before it.
    return days | {"queue": name, "active": "yes"}
