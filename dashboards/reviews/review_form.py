"""The form of one review: the scorecard, comments, tags, and what happens on submit."""

from dataclasses import dataclass

import streamlit as st

from dashboards import formatting
from dashboards.api_client import FAILURES
from dashboards.reviews import claims, connection, message_notes, scorecard_form
from dashboards.reviews.claims import Held
from dashboards.reviews.message_notes import Note
from dashboards.reviews.opened_transcript import Opened
from dashboards.reviews.scorecard_form import Filled
from dashboards.reviews.visit import Visit, open_sample, say
from ingest.client import NewReview, ProblemError, Scorecard, score_ratings

TAGS = ["Praise", "Coaching", "Knowledge gap", "Product bug", "Example"]


@dataclass(frozen=True)
class Remarks:
    """What a reviewer adds to the ratings."""

    comment: str | None
    notes: list[Note]
    tags: list[str]
    reviewee: str | None


def show_form(visit: Visit, card: Scorecard, held: Held, found: Opened | None) -> None:
    """Show the form for a held conversation, with its score so far, and submit it. `found`: what is shown of it."""
    key = f"{held.sample_id} {held.conversation_id}"
    st.text(formatting.quote(held.conversation_id))
    filled = scorecard_form.fill_in(card.categories, key)
    remarks = _add_remarks(found, key)
    scorecard_form.show_score(card.categories, filled)
    with st.container(horizontal=True):
        is_submitted = st.button(
            "Submit and continue",
            type="primary",
            icon=":material/send:",
            shortcut="Alt+S",
            disabled=bool(filled.missing) or held.is_lost,
            key="submit review",
        )
        is_released = st.button(
            "Give it back", icon=":material/undo:", key="release", disabled=held.is_lost,
            help="Another reviewer, or you later, reviews it.",
        )  # fmt: skip
    if is_submitted:
        _submit(visit, card, held, _review(card, held, filled, remarks))
    if is_released:
        _release(visit, held)


def _add_remarks(found: Opened | None, key: str) -> Remarks:
    comment = st.text_area(
        "Comment on the conversation",
        key=f"comment {key}",
        height=80,
        max_chars=5000,
        persist_state="session",
    ).strip()
    notes: list[Note] = []
    if found is not None:
        with st.expander("Comment on a message, or correct an answer", key=f"notes box {key}"):
            notes = message_notes.choose_notes(found, key)
    tags = st.multiselect(
        "Tags",
        TAGS,
        accept_new_options=True,
        max_selections=32,
        key=f"tags {key}",
        persist_state="session",
    )
    return Remarks(comment or None, notes, tags, _choose_reviewee(found, key))


def _choose_reviewee(found: Opened | None, key: str) -> str | None:
    named = {} if found is None else _participants(found)
    if not named:
        return None
    chosen: str | None = st.selectbox(
        "Who is reviewed",
        list(named),
        format_func=lambda each: named.get(each, each),
        index=None,
        placeholder="The whole conversation",
        key=f"reviewee {key}",
        persist_state="session",
    )
    return chosen


def _participants(found: Opened) -> dict[str, str]:
    """Return the versions of the bot and the agents of a transcript, with their names on the page."""
    named: dict[str, str] = {}
    for row in found.entries.iter_rows(named=True):
        if row["bot_version"] is not None:
            named[row["bot_version"]] = f"Bot version {formatting.quote(row['bot_version'])}"
        if row["participant_role"] == "agent" and row["participant_id"] is not None:
            named[row["participant_id"]] = f"Agent {formatting.quote(row['participant_id'])}"
    return named


def _review(card: Scorecard, held: Held, filled: Filled, remarks: Remarks) -> NewReview:
    return NewReview(
        scorecard=card.name,
        scorecard_version=card.version,
        ratings=filled.ratings,
        causes={name: given for name, given in filled.causes.items() if given},
        comment=remarks.comment,
        comments=message_notes.comments(remarks.notes),
        corrected_answers=message_notes.corrected_answers(remarks.notes),
        tags=[each.strip()[:64] for each in remarks.tags if each.strip()],
        reviewee=remarks.reviewee,
        assignment_id=held.sample_id,
        seconds_spent=held.spend(),
    )


def _submit(visit: Visit, card: Scorecard, held: Held, review: NewReview) -> None:
    """Post the review. If that fails, say why; what is typed stays."""
    try:
        connection.call(
            lambda client: client.submit_review(
                held.conversation_id, review, reviewer=visit.reviewer, event_id=held.review_id
            )
        )
    except ProblemError as error:
        _explain(visit, held, error)
    except FAILURES as error:
        connection.show_failure(error)
    else:
        outcome = score_ratings(card.categories, review.ratings)
        score = scorecard_form.score(None if outcome is None else outcome.score)
        _go_on(visit, held, f"The review is submitted, with a score of {score}.")


def _explain(visit: Visit, held: Held, error: ProblemError) -> None:
    if error.code == "event_conflict":
        # An answer was lost on the way, and the review was changed before it was sent again.
        _go_on(visit, held, "This review was stored by an earlier try; that one counts, as it was.")
    if error.code == "review_item_not_held":
        held.is_lost = True
        st.rerun()
    connection.show_failure(error)


def _go_on(visit: Visit, held: Held, text: str) -> None:
    connection.forget()
    claims.drop(held.sample_id, visit.reviewer)
    say(f"{text} Here is the next conversation.")
    st.rerun()


def _release(visit: Visit, held: Held) -> None:
    try:
        claims.release(held, visit.reviewer)
    except FAILURES as error:
        connection.show_failure(error)
        return
    say("The conversation is free for others again.")
    open_sample(held.sample_id)
