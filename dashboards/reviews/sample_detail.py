"""One sample: where it comes from, who reviews it, its conversations, and those that were taken out."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.reviews import connection, draw_plan
from dashboards.reviews.sample_card import show_card
from dashboards.reviews.visit import Visit, go, say
from ingest.client import ItemProgress, SampleProgress


def show(visit: Visit, sample: SampleProgress) -> None:
    """Show a sample, its reviewers and its conversations; let the visitor take one out."""
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
    _show_removed(sample, len(items))
    with st.expander("Take a conversation out of the sample", icon=":material/remove_circle:"):
        _show_removal(visit, sample, items)


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


def _show_removed(sample: SampleProgress, left: int) -> None:
    removed = len(sample.replaced)
    if not removed:
        return
    share = formatting.share(removed / (left + removed))
    st.caption(f"Taken out: {formatting.counted(removed, 'conversation')}, {share} of those drawn")
    for each in sample.replaced:
        by = formatting.quote(each.replaced_by or formatting.UNKNOWN)
        st.text(
            f"{formatting.quote(each.conversation_id)}, by {by}: {formatting.quote(each.reason)}"
        )


def _show_removal(visit: Visit, sample: SampleProgress, items: list[ItemProgress]) -> None:
    free = [each.conversation_id for each in items if not each.reviewers]
    if not free:
        st.text("Every conversation has a review; a reviewed one stays.")
        return
    chosen = st.selectbox(
        "Conversation without a review",
        free,
        format_func=formatting.quote,
        index=None,
        placeholder="Choose a conversation",
        key=f"taken out {sample.sample_id}",
    )
    reason = st.text_input(
        "Reason", key=f"reason taken out {sample.sample_id}", max_chars=2000,
        placeholder="Why it cannot be reviewed, such as: a test of our own",
    ).strip()  # fmt: skip
    if st.button("Take it out", disabled=chosen is None or not reason) and chosen is not None:
        _remove(visit, sample, chosen, reason)


def _remove(visit: Visit, sample: SampleProgress, conversation_id: str, reason: str) -> None:
    answer = connection.post(
        f"replace {sample.sample_id} {conversation_id}",
        lambda client, event_id: client.replace_item(
            sample.sample_id,
            conversation_id,
            reason,
            replaced_by=visit.reviewer,
            event_id=event_id,
        ),
    )
    if answer is not None:
        say("The conversation is taken out of the sample; the reason is recorded.")
        st.rerun()
