"""The filters and their place in the URL: a link shows what its sender saw.

Anyone can write a URL. An invalid value is ignored with a hint and never repeated on the page.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import date
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import formatting
from dashboards.filter_state import Bounds, Period, Scope

DEFAULT_DAYS = 30
SHARED = ("from", "to", "channel")
"""Filters of every page; they stay on a change of page."""

BOT = "bot_id"
VERSION = "bot_version"
BY_BOT = (BOT, VERSION)
"""Filters of the pages that read the registry of metrics; they stay among them."""

Width = Literal["stretch"] | int

T = TypeVar("T")


def choose_scope(bounds: Bounds, whole: Period, *, by_bot: bool = False) -> Scope:
    """Return the period and channels chosen here or named in the URL, and the bot and its version `by_bot`.

    `whole` is the available period; the default is its last DEFAULT_DAYS days.
    """
    keys = (*SHARED, *BY_BOT) if by_bot else SHARED
    _restore_filters(keys)
    given, named = _period_of_address(whole), _channels_of_address(bounds.channels)
    left, right, *rest = st.columns([2, 3, 2, 2] if by_bot else [2, 3])
    with left:
        period = _choose_period(whole, given)
    with right:
        channels = _choose_channels(bounds.channels, named)
    bot, version = _choose_bot(bounds, rest) if rest else (None, None)
    _remember(keys)
    return Scope(period, channels, version, bot)


def _choose_bot(bounds: Bounds, places: Sequence[DeltaGenerator]) -> tuple[str | None, str | None]:
    bots = {each: formatting.quote(each) for each in bounds.bots}
    versions = {each: formatting.quote(each) for each in bounds.bot_versions}
    with places[0]:
        bot = choose("Bot", BOT, bots, "All bots")
    with places[1]:
        return bot, choose("Version of the bot", VERSION, versions, "All versions")


def address_of(scope: Scope, whole: Period, **more: str) -> dict[str, Any]:
    """Return the query parameters of a page with the filters of `scope` and `more`."""
    period = scope.period
    found: dict[str, Any] = {}
    if period != whole.last(DEFAULT_DAYS):
        found |= {"from": period.first_on.isoformat(), "to": period.last_on.isoformat()}
    if scope.channels:
        found["channel"] = list(scope.channels)
    if scope.bot_id is not None:
        found[BOT] = scope.bot_id
    if scope.bot_version is not None:
        found[VERSION] = scope.bot_version
    return found | more


def _restore_filters(keys: Sequence[str]) -> None:
    """Copy the filters of the previous page into a URL that has none."""
    kept: dict[str, list[str]] = st.session_state.get("filters", {})
    if not any(key in st.query_params for key in keys):
        for key in set(keys) & set(kept):
            st.query_params[key] = kept[key]


def _remember(keys: Sequence[str]) -> None:
    kept: dict[str, list[str]] = st.session_state.get("filters", {})
    named = {key: st.query_params.get_all(key) for key in keys}
    st.session_state["filters"] = {key: values for key, values in (kept | named).items() if values}


def _period_of_address(whole: Period) -> Period:
    default = whole.last(DEFAULT_DAYS)
    first_on = _read("from", date.fromisoformat)
    last_on = _read("to", date.fromisoformat)
    if first_on is None and last_on is None:
        return default
    wished = Period(first_on or whole.first_on, last_on or whole.last_on)
    inside = wished.within(whole)
    if inside is None:
        _hint("The period in the address has no day on record; this is the default period.")
        return default
    if inside != wished:
        _hint(
            "The period in the URL is longer than the record; the page shows the part that exists."
        )
    return inside


def _choose_period(whole: Period, given: Period) -> Period:
    _begin("period", ["from", "to"], (given.first_on, given.last_on))
    # That it is a range, it sees by what its state begins with.
    chosen: tuple[date, ...] = st.date_input(  # type: ignore[assignment]
        "Period",
        min_value=whole.first_on,
        max_value=whole.last_on,
        format="YYYY-MM-DD",
        key="period",
    )
    # While only the first day is picked, the page does not change.
    period = Period(*chosen) if len(chosen) == 2 else given
    is_default = period == whole.last(DEFAULT_DAYS)
    _write("from", [] if is_default else [period.first_on.isoformat()])
    _write("to", [] if is_default else [period.last_on.isoformat()])
    _sync_widget("period", ["from", "to"])
    return period


def _channels_of_address(known: Sequence[str]) -> list[str]:
    named = st.query_params.get_all("channel")
    given = [each for each in known if each in named]
    if len(given) < len(set(named)):
        _hint("A channel in the address is not on record; it was left out.")
    return given


def _choose_channels(known: Sequence[str], given: list[str]) -> tuple[str, ...]:
    _begin("channels", ["channel"], given)
    picked = st.multiselect(
        "Channels",
        known,
        format_func=formatting.channel,
        placeholder="All channels",
        key="channels",
    )
    chosen = [each for each in known if each in picked]
    _write("channel", chosen)
    _sync_widget("channels", ["channel"])
    return tuple(chosen)


def choose(label: str, key: str, options: dict[str, str], none: str = "Any") -> str | None:
    """Return the option chosen here or named in the URL by `key`; None is shown as `none`."""
    given = _option_of_address(key, options)
    _begin(f"chosen {key}", [key], given)
    chosen: str | None = st.selectbox(
        label,
        [None, *options],
        format_func=lambda each: options.get(each, none),
        placeholder=none,
        key=f"chosen {key}",
    )
    _write(key, [] if chosen is None else [chosen])
    _sync_widget(f"chosen {key}", [key])
    return chosen


def choose_view(key: str, options: dict[str, str]) -> str:
    """Return the view of a page chosen here or named in the URL by `key`; the first is the default."""
    default = next(iter(options))
    given = _option_of_address(key, options) or default
    _begin(f"view {key}", [key], given)
    chosen = (
        st.segmented_control(
            "View",
            list(options),
            format_func=options.__getitem__,
            required=True,
            label_visibility="collapsed",
            wrap=True,
            key=f"view {key}",
        )
        or default
    )
    _write(key, [] if chosen == default else [chosen])
    _sync_widget(f"view {key}", [key])
    return chosen


def names_any(*keys: str) -> bool:
    """Return whether the URL has one of these filters."""
    return any(key in st.query_params for key in keys)


def _option_of_address(key: str, options: dict[str, str]) -> str | None:
    given = st.query_params.get(key)
    if given is None or given in options:
        return given
    _hint(f"“{key}” in the address is not one of the choices; it was left out.")
    return None


def choose_text(
    key: str, label: str, placeholder: str, longest: int = 200, width: Width = "stretch"
) -> str:
    """Return the words typed here or named in the URL by `key`, at most `longest` characters."""
    given = st.query_params.get(key, "")[:longest]
    _begin(f"text {key}", [key], given)
    chosen = st.text_input(
        label, placeholder=placeholder, max_chars=longest, key=f"text {key}", width=width
    ).strip()
    _write(key, [chosen] if chosen else [])
    _sync_widget(f"text {key}", [key])
    return chosen


def choose_toggle(label: str, key: str) -> bool:
    """Return whether a toggle is on, here or in the URL."""
    given = st.query_params.get(key) == "yes"
    _begin(f"with {key}", [key], given)
    chosen = st.toggle(label, key=f"with {key}")
    _write(key, ["yes"] if chosen else [])
    _sync_widget(f"with {key}", [key])
    return chosen


def page_of(key: str, listed: Hashable) -> int:
    """Return the page (from 1) of the URL; the first if the filters have changed."""
    before = st.session_state.get(f"{key} of")
    if before is not None and before != listed:
        _write(key, [])
    st.session_state[f"{key} of"] = listed
    return max(1, number_of(key, 1) or 1)


def number_of(key: str, default: int | None = None) -> int | None:
    """Return a number of the URL; `default` if it has none, or one that cannot be read."""
    given = st.query_params.get(key)
    if given is None:
        return default
    if given.isascii() and given.isdigit() and 0 < len(given) < 16:
        return int(given)
    _hint(f"“{key}” in the address is not a number; it was left out.")
    return default


def choose_page(key: str, current: int, pages: int, drop: Sequence[str] = ()) -> None:
    """Show the page controls for `pages`; the URL keeps the page. Another page drops the parameters `drop`."""
    if pages < 2:
        return
    chosen = st.pagination(pages, default=current)
    if chosen != current:
        for name in drop:
            st.query_params.pop(name, None)
        _write(key, [str(chosen)])
        st.rerun()


def link(address: dict[str, str]) -> str:
    """Return the URL of this page with these parameters alone."""
    base = (st.context.url or "").partition("?")[0]
    return f"{base}?{urlencode(address)}"


def _begin(widget: str, keys: list[str], given: object) -> None:
    """Let the widget show `given` where the URL decides.

    That is on a page just opened, after the URL changed, and while the user leaves the widget as it is.
    """
    state = st.session_state
    settled, before = state.get(f"{widget} settled", (None, None))
    is_untouched = widget in state and state[widget] == before
    if widget not in state or settled != _named(keys) or is_untouched:
        state[widget] = given


def _sync_widget(widget: str, keys: list[str]) -> None:
    """Record that the URL now has the widget's value."""
    st.session_state[f"{widget} settled"] = (_named(keys), st.session_state[widget])


def _named(keys: list[str]) -> tuple[str, list[list[str]]]:
    # With the page: Streamlit still knows the widget of the page before by its key, but the
    # one here is another and would begin empty.
    return st.session_state["page"], [st.query_params.get_all(key) for key in keys]


def _read(key: str, parse: Callable[[str], T]) -> T | None:
    given = st.query_params.get(key)
    if given is None:
        return None
    try:
        return parse(given)
    except ValueError:
        _hint(f"“{key}” in the address is not a day (YYYY-MM-DD); it was left out.")
        return None


def _write(key: str, values: list[str]) -> None:
    if st.query_params.get_all(key) != values:
        st.query_params[key] = values


def _hint(text: str) -> None:
    st.info(text, icon=":material/link_off:")
