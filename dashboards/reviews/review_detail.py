"""One review: its ratings and notes, its disputes, and what can be done about it."""

import polars as pl
import streamlit as st

from dashboards import formatting
from dashboards.reviews import connection, review_actions, scorecard_form, scorecards
from dashboards.reviews.opened_transcript import show_link
from dashboards.reviews.visit import Visit, go
from ingest.client import Category, Dispute, PinnedComment, Review, Scorecard

COLUMNS = {
    "category": "Category",
    "rating": "Rating",
    "first": "First rating",
    "causes": "Causes",
}


def show(visit: Visit, review: Review) -> None:
    """Show a review, and let the visitor dispute, decide or acknowledge it."""
    st.button(
        "All reviews",
        icon=":material/arrow_back:",
        on_click=go,
        args=("reviews",),
    )
    card = scorecards.find(connection.load_scorecards(), review.scorecard, review.scorecard_version)
    _show_facts(visit, review)
    _show_ratings(review, card)
    _show_notes(review)
    _show_disputes(visit, review, card)
    review_actions.show(visit, review, card)


def _show_facts(visit: Visit, review: Review) -> None:
    zone = visit.bounds.reporting_zone
    facts = [
        ("Score, 0 to 100", scorecard_form.score(review.score)),
        ("First score", scorecard_form.score(review.first_score)),
        ("Reviewer", formatting.quote(review.reviewer or formatting.UNKNOWN)),
        ("Who was reviewed", formatting.quote(review.reviewee or "the whole conversation")),
        (f"Submitted ({zone})", visit.moment(review.submitted_at)),
        ("Time spent", formatting.duration(review.seconds_spent)),
        ("Acknowledged by", formatting.quote(review.acknowledged_by or formatting.UNKNOWN)),
    ]
    with st.container(border=True, key="summary"):
        st.text(formatting.reveal(review.conversation_id))
        with st.container(horizontal=True, gap="medium"):
            for label, value in facts:
                with st.container(width="content", gap=None):
                    st.caption(label)
                    st.text(value)
        if review.is_critical_failure:
            st.badge("Critical failure", color="red")
        show_link(review.conversation_id)


def _show_ratings(review: Review, card: Scorecard | None) -> None:
    known = {each.id: each for each in card.categories} if card is not None else {}
    rows = [
        {
            "category": _title(known, name),
            "rating": _point(known.get(name), rating),
            "first": _point(known.get(name), review.first_ratings.get(name)),
            "causes": ", ".join(map(formatting.quote, review.causes.get(name, []))),
        }
        for name, rating in review.ratings.items()
    ]
    is_changed = review.ratings != review.first_ratings
    st.dataframe(
        pl.DataFrame(rows),
        hide_index=True,
        key="ratings",
        height="content",
        column_config=COLUMNS,
        column_order=[each for each in COLUMNS if is_changed or each != "first"],
    )


def _title(known: dict[str, Category], name: str) -> str:
    return formatting.quote(known[name].title if name in known else name)


def _point(category: Category | None, rating: float | None) -> str:
    if rating is None:
        return "Not applicable"
    return scorecards.point_of(rating, category.scale) if category else f"{rating:.2f}"


def _show_notes(review: Review) -> None:
    if review.comment:
        st.caption("Comment")
        st.text(formatting.reveal(review.comment))
    for title, notes in (
        ("Comments on messages", [(_place(each), each.text) for each in review.comments]),
        (
            "Corrected answers",
            [(_message(each.message_id), each.text) for each in review.corrected_answers],
        ),
    ):
        if notes:
            st.caption(title)
        for place, text in notes:
            st.text(f"{place}: {formatting.reveal(text)}")
    if review.tags:
        st.text(f"Tags: {', '.join(map(formatting.quote, review.tags))}")


def _message(message_id: str) -> str:
    return f"Message {formatting.quote(message_id)}"


def _place(comment: PinnedComment) -> str:
    message = _message(comment.message_id)
    if comment.start is None or comment.end is None:
        return message
    return f"{message}, characters {comment.start + 1:,} to {comment.end:,}"


def _show_disputes(visit: Visit, review: Review, card: Scorecard | None) -> None:
    known = {each.id: each for each in card.categories} if card is not None else {}
    for each in review.disputes:
        with st.container(border=True):
            about = "" if each.category is None else f", about “{_title(known, each.category)}”"
            by = formatting.quote(each.disputed_by or formatting.UNKNOWN)
            st.text(f"Disputed by {by}, {visit.moment(each.disputed_at)}{about}")
            if each.category is not None and each.expected_rating is not None:
                expected = _point(known.get(each.category), each.expected_rating)
                st.text(f"It should be: {expected}")
            st.text(formatting.reveal(each.reason))
            _show_decision(visit, each)


def _show_decision(visit: Visit, dispute: Dispute) -> None:
    if dispute.outcome is None:
        st.badge("Open", color="orange")
        return
    decision = "the ratings were changed" if dispute.outcome == "changed" else "the review stays"
    by = formatting.quote(dispute.resolved_by or formatting.UNKNOWN)
    st.text(f"Decided by {by}, {visit.moment(dispute.resolved_at)}: {decision}")
    if dispute.resolution:
        st.text(formatting.reveal(dispute.resolution))
