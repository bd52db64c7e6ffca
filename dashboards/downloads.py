"""Downloads of what a page shows: all rows of a list, not only those of its page."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import streamlit as st

from dashboards import access, audit, formatting
from warehouse.export_format import FORMULA, Format

MIME = {
    Format.csv: "text/csv",
    Format.parquet: "application/vnd.apache.parquet",
    Format.jsonl: "application/jsonl",
}
LABELS = {Format.csv: "CSV", Format.parquet: "Parquet", Format.jsonl: "JSONL"}


def show_downloads(
    name: str,
    rows: int,
    read: Callable[[], pl.DataFrame],
    filters: Mapping[str, Any] | None = None,
) -> None:
    """Show a button for each format; it records the export and then offers the file.

    `read` gives all rows and runs when a button is pressed; `filters` (values of JSON) chose them.
    """
    if not access.may("export.download"):
        st.caption(access.explain("export.download"))
        return
    st.caption(f"Make a file of {_rows(rows)}. It is recorded that you do.")
    with st.container(horizontal=True):
        pressed = [
            form
            for form in Format
            if st.button(LABELS[form], key=f"make {name} {form.value}", icon=":material/table:")
        ]
    for form in pressed:
        _offer(name, form, read(), filters)


def _offer(name: str, form: Format, frame: pl.DataFrame, filters: Mapping[str, Any] | None) -> None:
    audit.record_export(name, form.value, frame.height, filters)
    st.download_button(
        f"Save {name}.{form.value} ({formatting.counted(frame.height, 'row')})",
        data=write(frame, form),
        file_name=f"{name}.{form.value}",
        mime=MIME[form],
        key=f"save {name} {form.value}",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )


def _rows(count: int) -> str:
    return "the one row" if count == 1 else f"all {formatting.counted(count, 'row')}"


def write(frame: pl.DataFrame, form: Format) -> bytes:
    """Return a frame as a file. Texts and names of a CSV file are never formulas."""
    output = io.BytesIO()
    match form:
        case Format.parquet:
            frame.write_parquet(output)
        case Format.csv:
            names = [re.sub(FORMULA, r"'\g<0>", name) for name in frame.columns]
            plain = frame.with_columns(_plain_text(frame))
            plain.rename(dict(zip(frame.columns, names, strict=True))).write_csv(output)
        case Format.jsonl:
            frame.write_ndjson(output)
    return output.getvalue()


def _plain_text(frame: pl.DataFrame) -> list[pl.Expr]:
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return [
        pl.when(pl.col(name).str.contains(FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    ]
