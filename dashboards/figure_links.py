"""Tables of figures whose rows open the cases or the conversations behind them."""

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
    opens: Sequence[dict[str, str] | None],
    scope: Scope,
    whole: Period,
    *,
    page: str = DEFINITION,
) -> None:
    """Show a row for each dict; a click on one opens `page`, by default the metric that `opens` names for it.

    `opens` has the query parameters of the page, without the filters of `scope`; None opens nothing.
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
    named = opens[chosen[0]] if chosen and chosen[0] < len(opens) else None
    if named is not None:
        st.switch_page(page, query_params=address_of(scope, whole, **named))
