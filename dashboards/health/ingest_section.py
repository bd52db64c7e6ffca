"""The section of the ingest stats: what arrived at the API, and whether the account is balanced."""

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.cell_text import texts
from dashboards.health.api_stats import ApiStats

FIGURES = {
    "Received": "received",
    "Accepted": "accepted",
    "Duplicates": "duplicate",
    "Rejected": "rejected",
}


def show(found: ApiStats) -> None:
    """Show whether the account is balanced, the totals, and the counters of each source."""
    if found.agrees:
        st.success(
            "Ingest stats are balanced: no received event was lost or counted twice.",
            icon=":material/check_circle:",
        )
    else:
        st.error(
            "Ingest stats are not balanced: run `convolake verify`, which says where.",
            icon=":material/error:",
        )
    _show_totals(found)
    st.caption(
        "Events since the log began. Received = accepted + duplicates + conflicts + rejected + parked, counted "
        "before anything is parsed; stored = accepted + those that the server added (sessions)."
    )
    st.dataframe(
        found.counters.with_columns(texts(found.counters["source"], formatting.reveal)),
        hide_index=True,
        column_config={name: name.capitalize() for name in found.counters.columns},
    )


def _show_totals(found: ApiStats) -> None:
    totals = found.counters.select(
        pl.sum("received", "accepted", "duplicate", "conflict", "rejected")
    )
    row = totals.row(0, named=True)
    row["rejected"] += row["conflict"]
    values = [(label, formatting.count(row[name])) for label, name in FIGURES.items()]
    values.append(("Stored", formatting.count(found.stored)))
    with st.container(key="headline"):
        for column, (label, value) in zip(st.columns(len(values)), values, strict=True):
            column.metric(label, value, border=True)
