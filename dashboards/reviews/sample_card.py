"""A sample as a card: its method, its progress, and what to do with it."""

import streamlit as st

from dashboards import formatting
from dashboards.reviews.visit import Visit, go
from ingest.client import SampleProgress

SAMPLINGS = {
    "random": "Random",
    "stratified": "Stratified",
    "targeted": "Targeted",
    "adhoc": "Not from a sample",
}


def show_card(visit: Visit, sample: SampleProgress, is_open: bool = False) -> None:
    """Show how far a sample is, and the buttons to review and to open it. `is_open`: it is opened already."""
    with st.container(border=True, key=f"sample-{sample.sample_id}"):
        _show_heading(sample)
        _show_progress(visit, sample)
        with st.container(horizontal=True):
            st.button(
                "Review next",
                key=f"review {sample.sample_id}",
                icon=":material/rate_review:",
                type="primary",
                disabled=sample.done_count >= sample.item_count,
                on_click=go,
                args=("review",),
                kwargs={"sample": sample.sample_id},
            )
            if not is_open:
                st.button(
                    "Open",
                    key=f"open {sample.sample_id}",
                    on_click=go,
                    args=("samples",),
                    kwargs={"sample": sample.sample_id},
                )


def _show_heading(sample: SampleProgress) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.text(formatting.quote(sample.title))
        colour = "blue" if sample.sampling != "targeted" else "orange"
        st.badge(SAMPLINGS.get(sample.sampling, "Other"), color=colour)  # type: ignore[arg-type]
        if sample.reviews_per_conversation > 1:
            st.badge(f"{sample.reviews_per_conversation} blind reviews each", color="violet")
        if sample.is_calibration:
            st.badge("Calibration", color="gray")


def _show_progress(visit: Visit, sample: SampleProgress) -> None:
    share = sample.done_count / sample.item_count if sample.item_count else 0.0
    st.progress(share, text=f"{sample.done_count:,} of {sample.item_count:,} conversations done")
    wanted = sample.item_count * sample.reviews_per_conversation
    due = "no due date" if sample.due_on is None else f"due {formatting.day(sample.due_on)}"
    st.caption(
        f"{sample.review_count:,} of {formatting.counted(wanted, 'review')} · "
        f"{sample.locked_count:,} locked now · {due} · drawn {visit.moment(sample.drawn_at)} "
        f"({visit.bounds.reporting_zone})"
    )
