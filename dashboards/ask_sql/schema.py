"""The tables and columns that a query can name, with what they mean."""

from pathlib import Path

import polars as pl
import streamlit as st

from dashboards import filters, formatting
from dashboards.ask_sql import editor
from dashboards.warehouse_reader import TTL_SECONDS, read_frames

HERE = Path(__file__).parent


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_schema(warehouse: Path) -> pl.DataFrame:
    """Return a row for each column of each table. Raises WarehouseMissingError, WarehouseNotReadyError."""
    return read_frames(warehouse, HERE, ["schema"], {})["schema"]


def show_schema(warehouse: Path) -> None:
    """Show the tables; of the chosen one, its columns."""
    schema = load_schema(warehouse)
    names = schema["table_name"].unique(maintain_order=True).to_list()
    chosen = filters.choose("Table or view", "table", {name: name for name in names}, "All")
    if chosen is None:
        _show_tables(schema)
    else:
        _show_columns(schema.filter(pl.col("table_name") == chosen), chosen)


def _show_tables(schema: pl.DataFrame) -> None:
    tables = schema.group_by("table_name", maintain_order=True).agg(
        pl.col("one_row").first(), columns=pl.len()
    )
    st.dataframe(
        tables,
        hide_index=True,
        height=300,
        column_config={
            "table_name": st.column_config.TextColumn("Table or view", width="medium"),
            "one_row": st.column_config.TextColumn("What it has", width="large"),
            "columns": "Columns",
        },
        placeholder=formatting.UNKNOWN,
    )


def _show_columns(columns: pl.DataFrame, table: str) -> None:
    st.text(columns["one_row"][0] or "A table of the warehouse's own accounts.")
    st.button(
        "Write a query of it",
        icon=":material/edit_note:",
        on_click=editor.put,
        args=(f"select\n    {_listed(columns)}\nfrom {table}\nlimit 100",),
    )
    st.dataframe(
        columns.select("column_name", "data_type", "description"),
        hide_index=True,
        height=300,
        column_config={
            "column_name": st.column_config.TextColumn("Column", width="medium"),
            "data_type": "Type",
            "description": st.column_config.TextColumn("Meaning", width="large"),
        },
        placeholder=formatting.UNKNOWN,
    )


def _listed(columns: pl.DataFrame) -> str:
    return ",\n    ".join(columns["column_name"])
