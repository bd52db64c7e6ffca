"""The filters and their place in the address: a link shows what its sender saw.

The address is written by whoever made the link. A value that makes no sense is left out with
a hint and never repeated on the page.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import date, timedelta
from typing import TypeVar
from urllib.parse import urlencode

import streamlit as st

from dashboards import words
from dashboards.scope import Bounds, Period, Scope, Search

DEFAULT_DAYS = 30
SHARED = ("from", "to", "channel")
"""Filters that every page has; they stay when one goes from page to page."""

STATES = {each: words.name(each) for each in ("active", "inactive", "resolved", "closed")}
PASSED = {"yes": "Yes", "no": "No"}

T = TypeVar("T")


def choose_scope(bounds: Bounds, whole: Period) -> Scope:
    """The period and channels chosen here or named in the address.

    `whole` is all that there is to choose from; the default is its last DEFAULT_DAYS days.
    """
    _recall()
    period, channels = _period_of_address(whole), _channels_of_address(bounds.channels)
    left, right = st.columns([2, 3])
    with left:
        period = _choose_period(whole, period)
    with right:
        channels = _choose_channels(bounds.channels, channels)
    _write("from", period.first_on.isoformat(), period != _default(whole))
    _write("to", period.last_on.isoformat(), period != _default(whole))
    _remember()
    return Scope(period, channels)


def _recall() -> None:
    """Put the filters of the page before into an address that has none."""
    kept: dict[str, list[str]] = st.session_state.get("filters", {})
    if not any(key in st.query_params for key in SHARED):
        for key, values in kept.items():
            st.query_params[key] = values


def _remember() -> None:
    named = {key: st.query_params.get_all(key) for key in SHARED}
    st.session_state["filters"] = {key: values for key, values in named.items() if values}


def _default(whole: Period) -> Period:
    first_on = whole.last_on - timedelta(days=DEFAULT_DAYS - 1)
    return Period(max(first_on, whole.first_on), whole.last_on)


def _choose_period(whole: Period, given: Period) -> Period:
    chosen = st.date_input(
        "Period",
        value=(given.first_on, given.last_on),
        min_value=whole.first_on,
        max_value=whole.last_on,
        format="YYYY-MM-DD",
    )
    # While somebody has picked the first day only, the page stays as it was.
    return Period(*chosen) if len(chosen) == 2 else given


def _period_of_address(whole: Period) -> Period:
    default = _default(whole)
    first_on = _read("from", date.fromisoformat)
    last_on = _read("to", date.fromisoformat)
    if first_on is None and last_on is None:
        return default
    wished = Period(first_on or whole.first_on, last_on or whole.last_on)
    inside = Period(max(wished.first_on, whole.first_on), min(wished.last_on, whole.last_on))
    if inside.first_on > inside.last_on:
        _hint("The period in the address has no day on record; this is the default period.")
        return default
    if inside != wished:
        _hint("The period in the address goes beyond the record; this is what there is of it.")
    return inside


def _channels_of_address(known: Sequence[str]) -> tuple[str, ...]:
    named = st.query_params.get_all("channel")
    given = tuple(each for each in known if each in named)
    if len(given) < len(set(named)):
        _hint("A channel in the address is not on record; it was left out.")
    return given


def _choose_channels(known: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    chosen = st.multiselect(
        "Channels", known, default=given, format_func=words.channel, placeholder="All channels"
    )
    st.query_params["channel"] = chosen
    return tuple(chosen)


def choose_search() -> Search:
    """What the list is narrowed to, chosen here or named in the address."""
    given_state = _option_of_address("state", STATES)
    given_passed = _option_of_address("handed_off", PASSED)
    first, second, third = st.columns([2, 2, 4])
    with first:
        state = _choose("State", "state", STATES, given_state)
    with second:
        handed_off = _choose("Handed off", "handed_off", PASSED, given_passed)
    with third:
        text = st.text_input(
            "Search",
            value=st.query_params.get("search", ""),
            placeholder="Conversation id, contact id or words of a message",
            max_chars=200,
        ).strip()
    with_tests = st.toggle("Show test conversations", value=st.query_params.get("tests") == "yes")
    _write("search", text, bool(text))
    _write("tests", "yes", with_tests)
    is_handed_off = None if handed_off is None else handed_off == "yes"
    return Search(state, is_handed_off, text, with_tests)


def page_of(key: str, listed: Hashable) -> int:
    """The page (from 1) that the address names; the first if what is listed has changed."""
    before = st.session_state.get(f"{key} of")
    if before is not None and before != listed:
        _write(key, "", False)
    st.session_state[f"{key} of"] = listed
    given = st.query_params.get(key, "1")
    if given.isascii() and given.isdigit() and 0 < len(given) < 7:
        return max(1, int(given))
    _hint(f"“{key}” in the address is not a number; this is the first page.")
    return 1


def choose_page(key: str, current: int, pages: int) -> None:
    """Let people leaf through `pages`; the address keeps the page."""
    if pages < 2:
        return
    chosen = st.pagination(pages, default=current)
    if chosen != current:
        _write(key, str(chosen), True)
        st.rerun()


def link(key: str, value: str) -> str:
    """The address of this page with nothing but `key` in it."""
    base = (st.context.url or "").partition("?")[0]
    return f"{base}?{urlencode({key: value})}"


def _option_of_address(key: str, options: dict[str, str]) -> str | None:
    given = st.query_params.get(key)
    if given is None or given in options:
        return given
    _hint(f"“{key}” in the address is not one of the choices; it was left out.")
    return None


def _choose(label: str, key: str, options: dict[str, str], given: str | None) -> str | None:
    choices = [None, *options]
    chosen: str | None = st.selectbox(
        label,
        choices,
        index=choices.index(given),
        format_func=lambda each: options.get(each, "Any"),
    )
    _write(key, chosen or "", chosen is not None)
    return chosen


def _read(key: str, parse: Callable[[str], T]) -> T | None:
    given = st.query_params.get(key)
    if given is None:
        return None
    try:
        return parse(given)
    except ValueError:
        _hint(f"“{key}” in the address is not a day (YYYY-MM-DD); it was left out.")
        return None


def _write(key: str, value: str, is_wanted: bool) -> None:
    if is_wanted:
        if st.query_params.get(key) != value:
            st.query_params[key] = value
    elif key in st.query_params:
        del st.query_params[key]


def _hint(text: str) -> None:
    st.info(text, icon=":material/link_off:")
