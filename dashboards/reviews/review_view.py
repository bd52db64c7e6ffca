"""Review next: a conversation that is locked for the reviewer, and the scorecard."""

import streamlit as st

from dashboards import filters, formatting
from dashboards.reviews import claims, connection, review_form, scorecards
from dashboards.reviews.claims import Held
from dashboards.reviews.opened_transcript import show_transcript
from dashboards.reviews.visit import Visit, go
from ingest.client import SampleProgress


def show(visit: Visit) -> None:
    """Show the next conversation of the chosen sample, claimed for the reviewer."""
    samples = {each.sample_id: each for each in connection.load_samples()}
    sample = _choose_sample(samples)
    if sample is None:
        return
    card = scorecards.find(connection.load_scorecards(), sample.scorecard, sample.scorecard_version)
    if card is None:
        st.error("The scorecard of this sample is not published. Publish it under Scorecards.")
        return
    held = claims.hold(sample.sample_id, visit.reviewer)
    if held is None:
        _show_finished(sample, visit.reviewer)
        return
    _show_lock(visit, sample, held)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        found = show_transcript(visit.warehouse, held.conversation_id)
    with right:
        review_form.show_form(visit, card, held, found)


def _choose_sample(samples: dict[str, SampleProgress]) -> SampleProgress | None:
    if not samples:
        st.info("There is no sample yet: draw one first.", icon=":material/inbox:")
        st.button("Draw a sample", on_click=go, args=("draw",), type="primary")
        return None
    titles = {
        key: f"{formatting.quote(each.title)} · {each.done_count} of {each.item_count} done"
        for key, each in samples.items()
    }
    chosen = filters.choose("Sample", "sample", titles, none="Choose a sample")
    if chosen is None:
        st.info("Choose the sample that you want to review.", icon=":material/checklist:")
        return None
    return samples[chosen]


def _show_finished(sample: SampleProgress, reviewer: str) -> None:
    claims.drop(sample.sample_id, reviewer)
    st.success(
        "**Nothing is left for you in this sample.** Every conversation has its reviews, is locked by another reviewer, "
        "or was reviewed by you.",
        icon=":material/task_alt:",
    )
    st.button("Look again", icon=":material/refresh:", on_click=connection.forget)


def _show_lock(visit: Visit, sample: SampleProgress, held: Held) -> None:
    if held.is_lost:
        st.error(
            "**Your lock has ended, and another reviewer has this conversation now.** What you typed is kept below; "
            "it cannot be submitted for this sample. Copy what you need, then open the next conversation.",
            icon=":material/lock_open:",
        )
        st.button("Next conversation", on_click=claims.drop, args=(held.sample_id, visit.reviewer))
        return
    if held.failure is not None:
        connection.show_failure(held.failure)
    wanted = sample.item_count * sample.reviews_per_conversation
    st.caption(
        f"{sample.review_count:,} of {formatting.counted(wanted, 'review')} done · locked for you until "
        f"{visit.moment(held.locked_until)} ({visit.bounds.reporting_zone}); using the page prolongs it"
    )
