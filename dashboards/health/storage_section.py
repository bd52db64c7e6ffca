"""The section of the storage: files and bytes, and the last maintenance."""

from datetime import UTC, datetime

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.cell_text import texts
from dashboards.health.data import Stored, load_storage, read_report
from dashboards.warehouse_reader import Frames
from ingest.settings import Settings
from warehouse.maintenance import REPORT


def show(settings: Settings, frames: Frames) -> None:
    """Show each part with its files and bytes, the tables of the warehouse, and its maintenance."""
    st.subheader("Storage", anchor=False)
    events = frames["account"]["events"][0]
    parts = load_storage(settings, frames["tables"])
    st.dataframe(
        pl.DataFrame([_row(each, events) for each in parts]),
        hide_index=True,
        height="content",
        column_config={"files": st.column_config.NumberColumn("Files", format="localized")},
    )
    _show_maintenance(settings)
    with st.expander("Tables of the warehouse"):
        st.dataframe(
            frames["tables"].with_columns(texts(frames["tables"]["bytes"], formatting.size)),
            hide_index=True,
            column_config={"table_name": "Table", "files": "Files", "bytes": "Size"},
        )


def _row(part: Stored, events: int) -> dict[str, object]:
    each = formatting.UNKNOWN if not events else f"{part.bytes / events:,.0f} bytes"
    return {
        "Part": part.part,
        "files": part.files,
        "Size": formatting.size(part.bytes),
        "Per event": each,
    }


def _show_maintenance(settings: Settings) -> None:
    report = read_report(settings.warehouse_path / REPORT)
    if report is None:
        st.caption(
            "No maintenance so far: Dagster runs it daily, and `convolake maintain` at once."
        )
        return
    steps = ", ".join(f"{name} {count:,}" for name, count in report["steps"].items())
    st.caption(
        f"Last maintenance {formatting.age(report['finished_at'], datetime.now(UTC))}, in {report['seconds']:.1f} s: "
        f"{report['files_before']:,} files before, {report['files_after']:,} after ({steps})"
    )
