"""The health page: ingest stats, rejected events, and how current the warehouse is."""

from pathlib import Path

import polars as pl
import streamlit as st

from dashboards import formatting, page_layout
from dashboards.filter_state import Bounds, Period
from dashboards.health import api_stats
from dashboards.health.api_stats import ApiStats


def show_api_stats() -> None:
    """Show the stats, or why there are none."""
    found = api_stats.load_api_stats()
    if isinstance(found, str):
        st.warning("The conversation API does not answer:")
        st.code(formatting.reveal(found), language=None, wrap_lines=True)
        return
    if found.warning is not None:
        st.warning(formatting.reveal(found.warning), icon=":material/warning:")
    _show_ingest_stats(found)
    _show_rejected(found)


def show_record(_warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show what the warehouse contains; its freshness is above."""
    st.caption(
        f"The warehouse holds {formatting.days(whole.first_on, whole.last_on)} ({bounds.reporting_zone}). "
        "`convolake verify` proves that log, Parquet and warehouse hold the same events."
    )


def _show_ingest_stats(found: ApiStats) -> None:
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
    totals = found.counters.select(
        pl.sum("received", "accepted", "duplicate", "conflict", "rejected", "parked", "generated")
    )
    figures = {
        "Received": "received",
        "Accepted": "accepted",
        "Duplicates": "duplicate",
        "Rejected": "rejected",
    }
    row = totals.row(0, named=True)
    row["rejected"] += row["conflict"]
    values = [*((label, formatting.count(row[name])) for label, name in figures.items())]
    values.append(("Stored", formatting.count(found.stored)))
    with st.container(key="headline"):
        for column, (label, value) in zip(st.columns(len(values)), values, strict=True):
            column.metric(label, value, border=True)
    st.caption(
        "Events since the log began. Received = accepted + duplicates + conflicts + rejected + parked, counted "
        "before anything is parsed; stored = accepted + those that the server added (sessions)."
    )
    st.dataframe(
        found.counters.with_columns(pl.col("source").map_elements(formatting.reveal, pl.String)),
        hide_index=True,
        column_config={name: name.capitalize() for name in found.counters.columns},
    )


def _show_rejected(found: ApiStats) -> None:
    st.subheader("Rejected events", anchor=False)
    if not found.rejected.height:
        st.caption("None so far.")
        return
    st.caption(
        f"The newest {found.rejected.height}, times in UTC. `convolake rejected replay` "
        "tries them again; fix their cause first."
    )
    st.dataframe(
        found.rejected.with_columns(
            pl.col("source", "detail", "raw").map_elements(_safe, pl.String),
        ),
        hide_index=True,
        column_config={
            "received_at": "Received",
            "source": "Source",
            "code": "Reason",
            "detail": "What is wrong",
            "raw": "Bytes",
            "replayed_at": "Replayed",
        },
    )


def _safe(text: str) -> str:
    return formatting.reveal(formatting.shorten(text))


page_layout.show_page("Health", show_record, first=show_api_stats)
