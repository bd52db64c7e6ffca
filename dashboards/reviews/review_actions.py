"""What can be done about a review: acknowledge it, dispute it, decide on its dispute."""

import streamlit as st

from dashboards import formatting
from dashboards.reviews import connection, scorecard_form, scorecards
from dashboards.reviews.scorecard_form import Ratings
from dashboards.reviews.visit import Visit, say
from ingest.client import Review, Scorecard


def show(visit: Visit, review: Review, card: Scorecard | None) -> None:
    """Show what the visitor can do about a review. Without its scorecard, ratings cannot be changed."""
    if review.acknowledged_at is None and st.button(
        "Acknowledge: I have read this review",
        icon=":material/done_all:",
        disabled=review.reviewer == visit.reviewer,
        help="For the person who was reviewed.",
    ):
        _acknowledge(visit, review)
    if review.status != "disputed":
        with st.expander("Dispute this review", icon=":material/gavel:"):
            _show_dispute_form(visit, review, card)
    elif review.reviewer == visit.reviewer:
        st.info("You reviewed this conversation, so another person decides on the dispute.")
    else:
        with st.container(border=True):
            _show_decision_form(visit, review, card)


def _acknowledge(visit: Visit, review: Review) -> None:
    answer = connection.post(
        f"acknowledge {review.review_id}",
        lambda client, event_id: client.acknowledge_review(
            review.conversation_id,
            review.review_id,
            acknowledged_by=visit.reviewer,
            event_id=event_id,
        ),
    )
    if answer is not None:
        say("Acknowledged.")
        st.rerun()


def _show_dispute_form(visit: Visit, review: Review, card: Scorecard | None) -> None:
    titles = {each.id: each.title for each in card.categories} if card is not None else {}
    category = st.selectbox(
        "Which rating is wrong",
        list(review.ratings),
        format_func=lambda each: formatting.quote(titles.get(each, each)),
        index=None,
        placeholder="The review as a whole",
        key=f"disputed {review.review_id}",
    )
    expected = _choose_expected(review, card, category)
    reason = st.text_area(
        "Reason", key=f"dispute reason {review.review_id}", max_chars=5000, persist_state="session"
    ).strip()
    if st.button("Dispute", type="primary", disabled=not reason):
        _dispute(visit, review, reason, category, expected)


def _dispute(
    visit: Visit, review: Review, reason: str, category: str | None, expected: float | None
) -> None:
    answer = connection.post(
        f"dispute {review.review_id} {len(review.disputes)}",
        lambda client, event_id: client.dispute_review(
            review.conversation_id,
            review.review_id,
            reason,
            category=category,
            expected_rating=expected,
            disputed_by=visit.reviewer,
            event_id=event_id,
        ),
    )
    if answer is not None:
        say("The review is disputed. Another person than the reviewer decides.")
        st.rerun()


def _choose_expected(review: Review, card: Scorecard | None, category: str | None) -> float | None:
    known = {each.id: each for each in card.categories} if card is not None else {}
    if category is None or category not in known:
        return None
    scale = known[category].scale
    point: int | None = st.selectbox(
        "What it should be",
        range(scale),
        format_func=lambda each: scorecards.POINTS[scale][each],
        index=None,
        placeholder="Not said",
        key=f"expected {review.review_id} {category}",
    )
    return None if point is None else point / (scale - 1)


def _show_decision_form(visit: Visit, review: Review, card: Scorecard | None) -> None:
    st.subheader("Decide on the dispute", anchor=False)
    options = ["upheld", "changed"] if card is not None else ["upheld"]
    names = {"upheld": "The review stays as it is", "changed": "Change the ratings"}
    key = f"decide {review.review_id}"
    outcome = st.radio("Decision", options, format_func=names.__getitem__, key=key)
    ratings: Ratings | None = None
    is_complete = True
    if outcome == "changed" and card is not None:
        filled = scorecard_form.fill_in(card.categories, key, review.ratings, asks_causes=False)
        scorecard_form.show_score(card.categories, filled)
        ratings, is_complete = filled.ratings, not filled.missing
    reason = st.text_area(
        "Reason of the decision", key=f"{key} reason", max_chars=5000, persist_state="session"
    ).strip()
    if st.button("Decide", type="primary", disabled=not reason or not is_complete):
        _decide(visit, review, outcome, ratings, reason)


def _decide(
    visit: Visit, review: Review, outcome: str, ratings: Ratings | None, reason: str
) -> None:
    answer = connection.post(
        f"resolve {review.review_id} {len(review.disputes)}",
        lambda client, event_id: client.resolve_dispute(
            review.conversation_id,
            review.review_id,
            outcome,
            resolved_by=visit.reviewer,
            ratings=ratings,
            reason=reason,
            event_id=event_id,
        ),
    )
    if answer is not None:
        say("The decision is recorded. Both scores are kept.")
        st.rerun()
