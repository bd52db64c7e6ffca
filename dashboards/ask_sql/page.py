"""The page for SQL: the editor, the schema, and the result of the last query."""

from pathlib import Path

import streamlit as st

from dashboards import page_layout
from dashboards.ask_sql import editor, result, running, schema
from dashboards.filter_state import Bounds, Period
from warehouse.query_process import Limits


def show(warehouse: Path, bounds: Bounds, _whole: Period) -> None:
    """Show the editor; run the query if the user asks for it."""
    limits = Limits()
    st.caption(
        f"One read-only SELECT, up to {limits.seconds:.0f} s and {limits.rows:,} rows · columns that end in _on are "
        f"days in {bounds.reporting_zone} · tests have is_test · each query is recorded before it runs"
    )
    query = editor.choose_query()
    if query:
        running.run(warehouse, query)
    outcome = running.last_outcome()
    with st.expander("Tables and columns", icon=":material/table_view:", expanded=outcome is None):
        schema.show_schema(warehouse)
    if outcome is not None:
        result.show_outcome(outcome)


page_layout.show_page("Ask SQL", show)
