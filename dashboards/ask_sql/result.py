"""The outcome of a query: why it failed, or its rows as a table, a chart and a file.

Names and values of a result are text of anyone: they are revealed, and only a table or a chart shows them.
"""

import polars as pl
import streamlit as st

from dashboards import filters, formatting
from dashboards.ask_sql import charts
from dashboards.downloads import show_downloads
from dashboards.formatting import reveal_frame
from warehouse.query_process import Answer, QueryError

PLAN = ["explain_key", "explain_value"]
KINDS = {"line": "Line", "point": "Points", "area": "Area"}

CANNOT_RUN = "This query has no result:"


def show_outcome(outcome: Answer | QueryError) -> None:
    """Show the error or the rows."""
    if isinstance(outcome, QueryError):
        _show_error(outcome)
        return
    frame = outcome.frame
    st.caption(_counted(outcome))
    if frame.columns == PLAN:
        for text in frame[PLAN[1]]:
            st.code(formatting.reveal(text), language=None)
        return
    if not frame.height:
        st.info("The query is right, and no row matches it.", icon=":material/inbox:")
        return
    table, chart = st.tabs(["Table", "Chart"])
    shown = reveal_frame(frame)
    with table:
        _show_table(shown)
    with chart:
        _show_chart(shown)
    show_downloads("query", frame.height, lambda: frame)


def _show_table(frame: pl.DataFrame) -> None:
    days = [name for name, kind in frame.schema.items() if kind == pl.Date]
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if frame.height <= 15 else 560,
        column_config={name: st.column_config.DateColumn(format="YYYY-MM-DD") for name in days},
        placeholder=formatting.UNKNOWN,
    )


def _show_error(error: QueryError) -> None:
    st.error(CANNOT_RUN, icon=":material/error:")
    reason = "\n\n".join(filter(None, (str(error), error.detail)))
    st.code(formatting.reveal(reason), language=None, wrap_lines=True)  # it may repeat the query


def _counted(answer: Answer) -> str:
    rows = formatting.counted(answer.frame.height, "row")
    took = f"in {answer.seconds:.2f} s · instants are UTC"
    if answer.is_cut:
        return f"The first {rows}; the query has more, which are left out. Aggregate, or add a where · {took}"
    return f"{rows} {took}"


def _show_chart(frame: pl.DataFrame) -> None:
    numbers = charts.numbers(frame)
    if not numbers or frame.width < 2:
        st.info(
            "A chart needs two columns, and one of them with numbers.", icon=":material/bar_chart:"
        )
        return
    names = {name: name for name in frame.columns}
    first, second, third, fourth = st.columns(4)
    with first:
        across = filters.choose("Across", "x", names, "Automatic")
    with second:
        up = filters.choose("Up", "y", {name: name for name in numbers}, "Automatic")
    with third:
        kind = filters.choose("Kind", "kind", KINDS, "Bars") or "bar"
    with fourth:
        colour = filters.choose("Colour", "colour", names, "One")
    chosen = charts.Axes.of(frame, across, up, colour)
    st.altair_chart(charts.draw(frame, chosen, kind), alt=f"{kind} chart of the result")
