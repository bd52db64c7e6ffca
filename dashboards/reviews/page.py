"""The reviews page: draw samples, review conversations, settle disputes, see agreement and scores."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboards import filters, page_layout
from dashboards.api_client import FAILURES
from dashboards.filter_state import Bounds, Period
from dashboards.reviews import (
    agreement_view,
    connection,
    draw_view,
    review_view,
    reviews_view,
    samples_view,
    scorecards_view,
    scores_view,
)
from dashboards.reviews.reviewer import ask_for_name, current_reviewer
from dashboards.reviews.visit import VIEWS, View, Visit, show_said

SHOW: dict[View, Callable[[Visit], None]] = {
    "samples": samples_view.show,
    "draw": draw_view.show,
    "review": review_view.show,
    "reviews": reviews_view.show,
    "agreement": agreement_view.show,
    "scores": scores_view.show,
    "scorecards": scorecards_view.show,
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the view that is chosen here or named in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = filters.choose_view("view", VIEWS)
        reviewer = current_reviewer()
    if reviewer is None:
        ask_for_name()
        return
    show_said()
    try:
        SHOW[view](Visit(warehouse, bounds, whole, reviewer))
    except FAILURES as error:
        connection.show_failure(error)


page_layout.show_page("Reviews", show)
