"""The health page: intake, rejected events, loads, deliveries, storage and the last verification."""

from datetime import timedelta
from pathlib import Path

import streamlit as st

from dashboards import formatting, page_layout
from dashboards.filter_state import Bounds, Period
from dashboards.health import (
    api_stats,
    data,
    delivery_section,
    ingest_section,
    loads_section,
    rejected_section,
    storage_section,
    verify_section,
)
from ingest.settings import Settings


def show_api_stats() -> None:
    """Show what the API knows, or why it says nothing; it needs no warehouse."""
    found = api_stats.load_api_stats()
    if isinstance(found, str):
        st.warning("The conversation API does not answer:")
        st.code(formatting.reveal(found), language=None, wrap_lines=True)
    else:
        if found.warning is not None:
            st.warning("The conversation API warns:", icon=":material/warning:")
            st.code(formatting.reveal(found.warning), language=None, wrap_lines=True)
        ingest_section.show(found)
    verify_section.show(Settings())
    if not isinstance(found, str):
        rejected_section.show(found.rejected)


def show_record(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show what the warehouse knows; its freshness is above."""
    st.caption(
        f"The warehouse holds {formatting.days(whole.first_on, whole.last_on)} ({bounds.reporting_zone})."
    )
    first_on = whole.last_on - timedelta(days=data.DELIVERY_DAYS - 1)
    frames = data.load_health(warehouse, first_on)
    loads_section.show(frames)
    delivery_section.show(frames)
    storage_section.show(Settings(), frames)


page_layout.show_page("Health", show_record, first=show_api_stats)
