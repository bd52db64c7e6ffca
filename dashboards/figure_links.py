"""Tables of figures whose rows open the cases behind them."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.figure_cards import DEFINITION
from dashboards.filter_state import Period, Scope
from dashboards.filters import address_of


def show_linked_table(
    key: str,
    rows: Sequence[dict[str, Any]],
    columns: dict[str, Any],
    opens: Sequence[dict[str, str]],
    scope: Scope,
    whole: Period,
) -> None:
    """Show a row for each dict; a click on one opens the metric that `opens` names for it.

    `opens` has the query parameters of the metric's page, without the filters of `scope`.
    """
    event = st.dataframe(
        pl.DataFrame(rows, infer_schema_length=None),
        key=key,
        hide_index=True,
        column_config=columns,
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
    )
    chosen = [*event.selection.rows, *(row for row, _ in event.selection.cells)]
    if chosen and chosen[0] < len(opens):
        st.switch_page(DEFINITION, query_params=address_of(scope, whole, **opens[chosen[0]]))
