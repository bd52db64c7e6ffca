"""What every view of the reviews page knows."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import filters, formatting
from dashboards.filter_state import Bounds, Period

View = str

VIEWS: dict[View, str] = {
    "samples": "Samples",
    "draw": "Draw a sample",
    "review": "Review next",
    "reviews": "Reviews",
    "agreement": "Agreement",
    "scores": "Scores",
    "scorecards": "Scorecards",
}


KEPT = ("reviewer", *filters.SHARED)
"""Parameters of the URL that stay when a view leads to another."""


@dataclass(frozen=True)
class Visit:
    """A reviewer on the page: the warehouse, its bounds, and the reviewer's name."""

    warehouse: Path
    bounds: Bounds
    whole: Period
    reviewer: str

    def moment(self, at: datetime | None) -> str:
        """Return a time in the reporting zone."""
        zone = ZoneInfo(self.bounds.reporting_zone)
        return formatting.moment(None if at is None else at.astimezone(zone))


def go(view: View, **address: str | None) -> None:
    """Make the URL name a view, for callbacks, with the parameters `address` and no others but KEPT."""
    kept = {key: st.query_params.get_all(key) for key in KEPT if key in st.query_params}
    given = {key: value for key, value in address.items() if value is not None}
    st.query_params.from_dict({**kept, "view": view, **given})


def open_sample(sample_id: str) -> NoReturn:
    """Show a sample, from a place that is no callback."""
    go("samples", sample=sample_id)
    st.rerun()


def say(text: str) -> None:
    """Say `text` at the top of the next run, such as the result of a click. Text of our own only."""
    st.session_state["said"] = text


def show_said() -> None:
    """Show what `say` left."""
    text = st.session_state.pop("said", None)
    if text is not None:
        st.success(text, icon=":material/check_circle:")
