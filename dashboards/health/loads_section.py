"""The section of the loads: the account of every load, late events, and past days that changed."""

from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.warehouse_reader import Frames
from warehouse.metric import metrics

LOADS: dict[str, Any] = {
    "load_number": "Load",
    "loaded_at": st.column_config.DatetimeColumn("At (UTC)", format="D MMM YYYY, HH:mm:ss"),
    "segments": st.column_config.NumberColumn("Segments", format="localized"),
    "received_events": st.column_config.NumberColumn("Received", format="localized"),
    "stored_events": st.column_config.NumberColumn("Stored", format="localized"),
    "duplicate_events": st.column_config.NumberColumn("Duplicates", format="localized"),
    "rejected_events": st.column_config.NumberColumn("Unreadable", format="localized"),
    "quarantined_events": st.column_config.NumberColumn("Quarantined", format="localized"),
    "late_events": st.column_config.NumberColumn("Late", format="localized"),
    "restated_days": st.column_config.NumberColumn("Days restated", format="localized"),
    "is_balanced": "Balanced",
    "is_rebuild": "Rebuild",
}
RESTATEMENTS: dict[str, Any] = {
    "load_number": "Load",
    "active_on": st.column_config.DateColumn("Day", format="YYYY-MM-DD"),
    "title": "Metric",
    "numerator_change": "Numerator",
    "denominator_change": "Denominator",
    "value_sum_change": "Sum",
    "value_count_change": "Cases",
}


def show(frames: Frames) -> None:
    """Show whether every load is accounted for, and the newest loads and restatements."""
    st.subheader("Loads", anchor=False)
    _show_account(frames["account"].row(0, named=True))
    _show_loads(frames["loads"])
    _show_unreadable(frames["unreadable_events"])
    _show_restatements(frames["restatements"])


def _show_account(row: dict[str, Any]) -> None:
    # The ledger counts positions: what is loaded is in a table, was a duplicate, or is kept as unreadable.
    held = row["events"] + row["rejected"] + row["duplicate_events"]
    if row["is_balanced"] and held == row["loaded"]:
        st.success(
            "Loads are balanced: every sealed event that was loaded is in the tables once, or kept as unreadable.",
            icon=":material/check_circle:",
        )
    else:
        st.error(
            "Loads are not balanced: run `convolake verify`, which says where.",
            icon=":material/error:",
        )
    late = (
        ""
        if not row["stored_events"]
        else f", {formatting.share(row['late_events'] / row['stored_events'])}"
    )
    st.caption(
        f"{formatting.counted(row['loads'], 'load')} since the warehouse was built, the last "
        f"{formatting.moment(row['last_loaded_at'])} UTC · {formatting.count(row['loaded'])} loaded = "
        f"{formatting.count(row['events'])} events + {formatting.count(row['rejected'])} unreadable + "
        f"{formatting.count(row['duplicate_events'])} duplicates · {formatting.count(row['late_events'])} "
        f"late{late}: of days before the newest day known"
    )


def _show_loads(loads: pl.DataFrame) -> None:
    if not loads.height:
        st.info("Nothing was loaded yet: `convolake load` does it.", icon=":material/inbox:")
        return
    st.caption(_newest(loads, "loads", "load"))
    st.dataframe(loads.select(*LOADS), hide_index=True, column_config=LOADS, height=_height(loads))


def _show_unreadable(events: pl.DataFrame) -> None:
    if not events.height:
        return
    st.warning(
        f"{formatting.counted(events['unreadable'][0], 'sealed event')} cannot be read by any model. They are kept, "
        "and loaded once a version understands them.",
        icon=":material/warning:",
    )
    shown = formatting.reveal_frame(events.drop("unreadable"))
    st.dataframe(
        shown, hide_index=True, placeholder=formatting.UNKNOWN, column_config=_labels(shown)
    )


def _show_restatements(changes: pl.DataFrame) -> None:
    st.markdown("**Restatements**")
    if not changes.height:
        st.caption("No load has changed a past day.")
        return
    st.caption(
        f"{_newest(changes, 'changes', 'change')} of a metric of a past day, as a difference of its sums"
    )
    titles = {each.name: each.title for each in metrics()}
    shown = changes.with_columns(title=pl.col("metric").replace(titles))
    st.dataframe(
        shown.select(*RESTATEMENTS),
        hide_index=True,
        column_config=RESTATEMENTS,
        height=_height(shown),
        placeholder=formatting.UNKNOWN,
    )


def _height(frame: pl.DataFrame) -> int | Literal["content"]:
    return "content" if frame.height <= 8 else 280


def _newest(frame: pl.DataFrame, total: str, thing: str) -> str:
    everything = formatting.counted(int(frame[total][0]), thing)
    return (
        f"The newest {frame.height} of {everything}"
        if frame.height < frame[total][0]
        else everything
    )


def _labels(frame: pl.DataFrame) -> dict[str, str]:
    return {name: formatting.name(name) for name in frame.columns}
