"""One sample: where it comes from, who reviews it, its conversations, and those that were taken out."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.reviews import connection, draw_plan, sample_changes
from dashboards.reviews.sample_card import show_card
from dashboards.reviews.visit import Visit, go
from ingest.client import ItemProgress, SampleProgress


def show(visit: Visit, sample: SampleProgress) -> None:
    """Show a sample, its reviewers and its conversations; let the visitor replace one or take it out."""
    st.button(
        "All samples",
        icon=":material/arrow_back:",
        on_click=go,
        args=("samples",),
    )
    show_card(visit, sample, is_open=True)
    items = connection.load_items(sample.sample_id)
    _show_origin(sample)
    _show_reviewers(items)
    st.subheader("Conversations", anchor=False)
    st.caption(
        f"{formatting.counted(len(items), 'conversation')}, in the order of review · "
        f"locks end at times in {visit.bounds.reporting_zone}"
    )
    st.dataframe(
        _items_frame(visit, items), hide_index=True, key="items", column_config=ITEM_COLUMNS
    )
    sample_changes.show_removed(sample, len(items))
    sample_changes.show_form(visit, sample, items)


def _show_origin(sample: SampleProgress) -> None:
    st.caption(
        f"Drawn from {formatting.counted(sample.population, 'conversation')} with the seed {sample.seed}. The same "
        "seed and population give the same sample. The conversations were frozen when it was drawn."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "conversations/page.py",
            label="The list it was drawn from, as it is today",
            icon=":material/open_in_new:",
            query_params=draw_plan.address_of(sample.filters),
        )
        st.text(
            f"Scorecard {formatting.quote(sample.scorecard)}, version {sample.scorecard_version}"
        )


def _show_reviewers(items: list[ItemProgress]) -> None:
    done = [name for each in items for name in each.reviewers]
    locked = [each.locked_by for each in items if each.locked_by is not None]
    if not done and not locked:
        return
    st.subheader("Reviewers", anchor=False)
    rows = [
        {
            "reviewer": formatting.quote(name),
            "reviews": done.count(name),
            "locked": locked.count(name),
        }
        for name in sorted({*done, *locked})
    ]
    st.dataframe(
        pl.DataFrame(rows),
        hide_index=True,
        key="reviewers",
        column_config={"reviewer": "Reviewer", "reviews": "Reviews", "locked": "Locked now"},
    )


ITEM_COLUMNS: dict[str, Any] = {
    "conversation": "Conversation",
    "stratum": "Group",
    "probability": st.column_config.NumberColumn("Chance to be drawn", format="%.4f"),
    "reviewers": "Reviewed by",
    "locked_by": "Locked by",
    "locked_until": "Locked until",
}


def _items_frame(visit: Visit, items: list[ItemProgress]) -> pl.DataFrame:
    rows = [
        {
            "conversation": formatting.reveal(each.conversation_id),
            "stratum": formatting.UNKNOWN
            if each.stratum is None
            else formatting.quote(each.stratum),
            "probability": each.inclusion_probability,
            "reviewers": ", ".join(map(formatting.quote, each.reviewers)) or formatting.UNKNOWN,
            "locked_by": formatting.UNKNOWN
            if each.locked_by is None
            else formatting.quote(each.locked_by),
            "locked_until": visit.moment(each.locked_until),
        }
        for each in items
    ]
    return pl.DataFrame(rows, schema_overrides={"probability": pl.Float64})
