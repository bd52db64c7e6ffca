"""The filters of the list of conversations."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboards import filters, formatting
from dashboards.filter_state import Choices, Search

STATES = {each: formatting.name(each) for each in ("active", "inactive", "resolved", "closed")}
PASSED = {"yes": "Yes", "no": "No"}
HANDOFF = {
    "reason": "Reason of a handoff",
    "queue": "Queue",
    "agent_id": "Agent",
    "outcome": "Outcome of a handoff",
}
MORE = (*HANDOFF, "wait", "lasted", "rating", "bot_id", "bot_version", "sort", "active", "tests")
KEYS = (*filters.SHARED, "state", "handed_off", "search", *MORE)
"""Every parameter of the URL that filters or orders the list."""

LASTED = {
    "0-60": "Less than 1 minute",
    "60-600": "1 to 10 minutes",
    "600-3600": "10 minutes to 1 hour",
    "3600-86400": "1 hour to 1 day",
    "86400-": "1 day or longer",
}
"""From the first to the latest event, in seconds; the end is not included."""

WAITS = {"60": "1 minute", "300": "5 minutes", "900": "15 minutes", "3600": "1 hour"}
RATINGS = {"negative": "Negative", "positive": "Positive", "none": "No rating"}
NEWEST = "Newest first"
SORTS = {
    "newest": NEWEST,
    "oldest": "Oldest first",
    "longest_wait": "Longest wait first",
    "longest": "Longest first",
    "most_messages": "Most messages first",
    "lowest_rating": "Lowest rating first",
}
ORDERS = {key: label for key, label in SORTS.items() if key != "newest"}


def choose_search(choices: Choices) -> Search:
    """Return the filters of the list, chosen here or named in the URL."""
    first, second, third = st.columns([2, 2, 4])
    with first:
        state = filters.choose("State", "state", STATES)
    with second:
        handed_off = filters.choose("Handed off", "handed_off", PASSED)
    with third:
        text = filters.choose_text(
            "search", "Search", "Conversation id, contact id or words of a message"
        )
    more = {key: _offered(getattr(choices, key)) for key in HANDOFF}
    with st.expander("More filters and order", expanded=filters.names_any(*MORE)):
        chosen = _choose_more(more, choices)
    return Search(
        state=state,
        is_handed_off=None if handed_off is None else handed_off == "yes",
        text=text,
        **chosen,
    )


def _choose_more(handoff: dict[str, dict[str, str]], choices: Choices) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    columns = st.columns(4)
    for column, (key, label) in zip(columns, HANDOFF.items(), strict=True):
        with column:
            chosen[key] = filters.choose(label, key, handoff[key])
    first, second, third, fourth = st.columns(4)
    with first:
        waited = filters.choose("Waited at least", "wait", WAITS)
        chosen["min_wait_seconds"] = None if waited is None else int(waited)
    with second:
        chosen["rating"] = filters.choose("Last rating", "rating", RATINGS)
    with third:
        chosen["bot_version"] = filters.choose(
            "Version of the bot", "bot_version", _offered(choices.bot_version)
        )
    with fourth:
        chosen["sort"] = filters.choose("Order", "sort", ORDERS, NEWEST) or "newest"
    fifth, sixth, _ = st.columns([1, 1, 2])
    with sixth:
        chosen["bot_id"] = filters.choose("Bot", "bot_id", _offered(choices.bot_id))
    with fifth:
        lasted = (filters.choose("Lasted", "lasted", LASTED) or "-").split("-")
        chosen["min_duration_seconds"], chosen["max_duration_seconds"] = (
            int(each) if each else None for each in lasted
        )
    chosen["is_active"] = filters.choose_toggle(
        "Begun before the period too, if it was not over", "active"
    )
    chosen["with_tests"] = filters.choose_toggle("Show test conversations", "tests")
    return chosen


def _offered(names: Sequence[str]) -> dict[str, str]:
    return {each: formatting.quote(each) for each in names}
