"""The agreement of reviewers on double-reviewed and calibration samples, by category."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting
from dashboards.reviews import blind, connection, scorecards
from dashboards.reviews.comparisons import Comparison, Ratings, compare
from dashboards.reviews.opened_transcript import show_link
from dashboards.reviews.visit import Visit, go
from ingest.client import Category, Review, SampleProgress

COLUMNS: dict[str, Any] = {
    "category": "Category",
    "items": st.column_config.NumberColumn("Conversations (n)", format="localized"),
    "reviewers": st.column_config.NumberColumn("Reviewers", format="localized"),
    "raw": "Raw agreement",
    "kappa": "Cohen's κ",
    "weighted": "Weighted κ",
    "alpha": "Krippendorff's α",
    "balance": "Ratings given",
    "differences": st.column_config.NumberColumn("Differences", format="localized"),
}


def show(visit: Visit) -> None:
    """Show the agreement of one sample by category, and the differences of the chosen category."""
    everything = connection.load_samples()
    samples = {each.sample_id: each for each in everything if _is_compared(each)}
    if not samples:
        st.info(
            "**No sample is for several reviewers yet.** Draw one with 2 or more reviews per conversation, or a "
            "calibration sample: the agreement is computed from them.",
            icon=":material/group:",
        )
        st.button("Draw a sample", on_click=go, args=("draw",), type="primary")
        return
    titles = {key: formatting.quote(each.title) for key, each in samples.items()}
    chosen = filters.choose("Sample", "sample", titles, none="The newest")
    sample = samples[chosen] if chosen is not None else next(iter(samples.values()))
    card = scorecards.find(connection.load_scorecards(), sample.scorecard, sample.scorecard_version)
    reviews = blind.visible(connection.load_reviews(), everything, visit.reviewer)
    own = [each for each in reviews if each.assignment_id == sample.sample_id]
    compared = compare(card.categories, own) if card is not None else []
    if not any(each.agreement.items or each.differences for each in compared):
        st.info("No conversation of this sample has two reviews that you may see yet.")
        return
    _show_table(compared)
    _show_differences(compared, own)


def _is_compared(sample: SampleProgress) -> bool:
    return sample.reviews_per_conversation > 1 or sample.is_calibration


def _show_table(compared: Sequence[Comparison]) -> None:
    st.caption(
        "First ratings are compared, before any dispute. κ corrects for agreement by chance and is for exactly two "
        "reviewers; α is for any number. Where nearly all ratings are the same, both are low although the reviewers agree: "
        "read them with the ratings given. A dash: not defined, because the ratings do not vary or there is none. A rating against "
        "N/A is a difference too, outside of the coefficients."
    )
    st.dataframe(
        _table(compared),
        hide_index=True,
        key="agreement",
        height="content",
        column_config=COLUMNS,
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open(compared),
        selection_mode=["single-row", "single-cell"],
    )


def _open(compared: Sequence[Comparison]) -> None:
    selected = st.session_state["agreement"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < len(compared):
        st.query_params["category"] = compared[chosen[0]].category.id


def _table(compared: Sequence[Comparison]) -> pl.DataFrame:
    rows = [
        {
            "category": formatting.quote(each.category.title),
            "items": each.agreement.items,
            "reviewers": each.agreement.reviewers,
            "raw": formatting.share(each.agreement.raw),
            "kappa": _coefficient(each.agreement.kappa),
            "weighted": _coefficient(each.agreement.weighted_kappa),
            "alpha": _coefficient(each.agreement.alpha),
            "balance": _balance(each),
            "differences": len(each.differences),
        }
        for each in compared
    ]
    return pl.DataFrame(rows)


def _coefficient(value: float | None) -> str:
    return formatting.UNKNOWN if value is None else f"{value:.2f}"


def _balance(compared: Comparison) -> str:
    scale = compared.category.scale
    return " · ".join(
        f"{scorecards.point_of(rating, scale)} {count:,}"
        for rating, count in compared.agreement.balance.items()
    )


def _show_differences(compared: Sequence[Comparison], reviews: Sequence[Review]) -> None:
    titles = {each.category.id: formatting.quote(each.category.title) for each in compared}
    chosen = filters.choose("Category", "category", titles, none="Click a row, or choose here")
    if chosen is None:
        return
    found = next(each for each in compared if each.category.id == chosen)
    st.subheader("Where they differ", anchor=False)
    if not found.differences:
        st.text("In no conversation.")
    ids = {(each.conversation_id, each.reviewer): each.review_id for each in reviews}
    for conversation_id, ratings in found.differences.items():
        _show_difference(found.category, conversation_id, ratings, ids)


def _show_difference(
    category: Category,
    conversation_id: str,
    ratings: Ratings,
    ids: dict[tuple[str, str | None], str],
) -> None:
    with st.container(border=True, key=f"difference {conversation_id}", gap="xsmall"):
        st.text(formatting.reveal(conversation_id))
        for reviewer, rating in ratings.items():
            with st.container(horizontal=True, vertical_alignment="center"):
                point = scorecards.point_of(rating, category.scale)
                st.text(f"{formatting.quote(reviewer)}: {point}")
                st.button(
                    "Open the review",
                    key=f"open {conversation_id} {reviewer}",
                    type="tertiary",
                    on_click=go,
                    args=("reviews",),
                    kwargs={"review": ids.get((conversation_id, reviewer))},
                )
        show_link(conversation_id)
