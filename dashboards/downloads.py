"""Downloads of what a page shows: all rows of a list, not only those of its page."""

import io
from collections.abc import Callable
from functools import partial

import polars as pl
import streamlit as st

from warehouse.export_format import FORMULA, Format

MIME = {
    Format.csv: "text/csv",
    Format.parquet: "application/vnd.apache.parquet",
    Format.jsonl: "application/jsonl",
}


def show_downloads(name: str, rows: int, read: Callable[[], pl.DataFrame]) -> None:
    """Show a button for each format. `read` gives all rows; it runs when a button is pressed."""
    st.caption(f"Download all {rows:,} rows")
    with st.container(horizontal=True):
        for form in Format:
            st.download_button(
                form.value.upper() if form is not Format.parquet else "Parquet",
                data=partial(_file, read, form),
                file_name=f"{name}.{form.value}",
                mime=MIME[form],
                key=f"download {name} {form.value}",
                on_click="ignore",
            )


def _file(read: Callable[[], pl.DataFrame], form: Format) -> bytes:
    return write(read(), form)


def write(frame: pl.DataFrame, form: Format) -> bytes:
    """Return a frame as a file. Texts of a CSV file are never formulas."""
    output = io.BytesIO()
    match form:
        case Format.parquet:
            frame.write_parquet(output)
        case Format.csv:
            frame.with_columns(_plain_text(frame)).write_csv(output)
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
