"""The list of reviews, their files, and one review."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting
from dashboards.downloads import show_downloads
from dashboards.reviews import blind, connection, frames, review_detail
from dashboards.reviews.sample_card import SAMPLINGS
from dashboards.reviews.visit import Visit
from ingest.client import Review, SampleProgress

STATUSES = {
    "submitted": "Submitted",
    "disputed": "Disputed",
    "upheld": "Dispute rejected",
    "changed": "Changed after a dispute",
}
PAGE_SIZE = 25
FILTERS = ("sample", "by", "status")
"""Parameters of the URL that filter the list."""

COLUMNS: dict[str, Any] = {
    "submitted": "Submitted",
    "conversation": "Conversation",
    "reviewer": "Reviewer",
    "reviewee": "Who was reviewed",
    "score": st.column_config.NumberColumn("Score", format="%.1f"),
    "first_score": st.column_config.NumberColumn("First score", format="%.1f"),
    "status": "Status",
    "sampling": "Sample",
    "acknowledged": st.column_config.CheckboxColumn("Acknowledged"),
}


def show(visit: Visit) -> None:
    """Show the review that the URL names, or else the list."""
    samples = connection.load_samples()
    reviews = connection.load_reviews()
    seen = blind.visible(reviews, samples, visit.reviewer)
    named = st.query_params.get("review")
    review = next((each for each in seen if each.review_id == named), None)
    if review is not None:
        review_detail.show(visit, review)
        return
    if named is not None:
        st.warning("No review that you may see has the id in the address.")
    if not seen:
        st.info(
            "No review yet. Draw a sample, then review its conversations.", icon=":material/inbox:"
        )
    else:
        _show_list(visit, _choose(seen, samples))
    _say_hidden(len(reviews) - len(seen))


def _say_hidden(hidden: int) -> None:
    if hidden:
        st.caption(
            f"{formatting.counted(hidden, 'review')} by others hidden: "
            "you see them when you have reviewed the same conversation, or when it has all its reviews."
        )


def _choose(reviews: Sequence[Review], samples: Sequence[SampleProgress]) -> list[Review]:
    first, second, third = st.columns(3)
    with first:
        titles = {each.sample_id: formatting.quote(each.title) for each in samples}
        sample = filters.choose("Sample", "sample", titles)
    with second:
        names = sorted({each.reviewer for each in reviews if each.reviewer is not None})
        by = filters.choose("Reviewer", "by", {each: formatting.quote(each) for each in names})
    with third:
        status = filters.choose("Status", "status", STATUSES)
    return [
        each
        for each in reviews
        if (sample is None or each.assignment_id == sample)
        and (by is None or each.reviewer == by)
        and (status is None or each.status == status)
    ]


def _show_list(visit: Visit, chosen: list[Review]) -> None:
    if not chosen:
        st.info("No review matches these filters.")
        return
    pages = -(-len(chosen) // PAGE_SIZE)
    page = min(filters.page_of("page", tuple(each.review_id for each in chosen)), pages)
    first = (page - 1) * PAGE_SIZE
    listed = chosen[first : first + PAGE_SIZE]
    st.caption(
        f"{first + 1:,} to {first + len(listed):,} of {formatting.counted(len(chosen), 'review')}, newest first · "
        f"times in {visit.bounds.reporting_zone} · scores from 0 to 100 · click a row to open it"
    )
    st.dataframe(
        _list_frame(visit, listed),
        key="reviews",
        hide_index=True,
        column_config=COLUMNS,
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open(listed),
        selection_mode=["single-row", "single-cell"],
    )
    filters.choose_page("page", page, pages)
    _show_files(chosen)


def _list_frame(visit: Visit, listed: Sequence[Review]) -> pl.DataFrame:
    rows = [
        {
            "submitted": visit.moment(each.submitted_at),
            "conversation": formatting.reveal(each.conversation_id),
            "reviewer": _name(each.reviewer),
            "reviewee": _name(each.reviewee),
            "score": each.score,
            "first_score": each.first_score,
            "status": STATUSES.get(each.status, formatting.UNKNOWN),
            "sampling": SAMPLINGS.get(each.sampling, formatting.UNKNOWN),
            "acknowledged": each.acknowledged_at is not None,
        }
        for each in listed
    ]
    return pl.DataFrame(rows)


def _name(value: str | None) -> str:
    return formatting.UNKNOWN if value is None else formatting.quote(value)


def _open(listed: Sequence[Review]) -> None:
    selected = st.session_state["reviews"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < len(listed):
        st.query_params["review"] = listed[chosen[0]].review_id


def _same(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _filters() -> dict[str, str]:
    """Return the filters of the list, for the record of who exports what."""
    return {key: st.query_params[key] for key in FILTERS if key in st.query_params}


def _show_files(chosen: list[Review]) -> None:
    """Show the files of what is listed: the same reviews, on all pages."""
    with st.expander("Download these reviews, their ratings and disputes"):
        for name, make in (
            ("reviews", frames.reviews_frame),
            ("ratings", frames.ratings_frame),
            ("disputes", frames.disputes_frame),
        ):
            frame = make(chosen)
            st.caption(name.capitalize())
            show_downloads(name, frame.height, partial(_same, frame), _filters())
