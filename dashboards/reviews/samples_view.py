"""The samples with their progress, and one sample with its conversations."""

import streamlit as st

from dashboards import filters
from dashboards.reviews import connection, sample_detail
from dashboards.reviews.sample_card import show_card
from dashboards.reviews.visit import Visit, go

PAGE_SIZE = 10
"""Samples on one page of the list."""


def show(visit: Visit) -> None:
    """Show the sample that the URL names, or else the list."""
    samples = connection.load_samples()
    named = st.query_params.get("sample")
    sample = next((each for each in samples if each.sample_id == named), None)
    if sample is not None:
        sample_detail.show(visit, sample)
        return
    if named is not None:
        st.warning("No sample has the id in the address.", icon=":material/search_off:")
    if not samples:
        _show_none()
        return
    page = min(filters.page_of("page", "samples"), -(-len(samples) // PAGE_SIZE))
    for each in samples[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]:
        show_card(visit, each)
    filters.choose_page("page", page, -(-len(samples) // PAGE_SIZE))


def _show_none() -> None:
    st.info(
        "**No sample has been drawn yet.**  \n"
        "A sample is a fixed list of conversations that reviewers work through. Draw one here, or choose filters on the "
        "conversations page and press “Draw a sample of these”.",
        icon=":material/inbox:",
    )
    st.button("Draw a sample", on_click=go, args=("draw",), type="primary")
