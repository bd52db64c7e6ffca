"""The controls of saved filters above the list."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import streamlit as st

from dashboards import access, filters, formatting
from dashboards.conversations.saved_filters import (
    MAX_NAME,
    SavedFilter,
    SavedFiltersError,
    delete_filter,
    load_filters,
    save_filter,
)
from dashboards.conversations.search_filters import KEYS

FAILED = "saving failed"


def show(data: Path) -> None:
    """Show the saved filters to open, and save or delete them."""
    try:
        saved = {each.name: each for each in load_filters(data)}
    except SavedFiltersError as error:
        st.warning(str(error), icon=":material/error:")
        return
    if (failure := st.session_state.pop(FAILED, None)) is not None:
        st.warning(failure, icon=":material/error:")
    with st.popover(f"Saved filters ({len(saved)})", icon=":material/bookmark:"):
        if saved:
            _show_saved(data, saved)
        _show_saving(data)


def _show_saved(data: Path, saved: dict[str, SavedFilter]) -> None:
    name = st.selectbox("Saved", list(saved), format_func=formatting.reveal, key="saved filter")
    chosen = saved[name]
    st.caption("Saved for all users of this dashboard")
    st.text(f"By {formatting.quote(chosen.saved_by)}")
    with st.container(horizontal=True):
        st.button("Open", icon=":material/filter_alt:", on_click=_open, args=(chosen.query,))
        st.button(
            "Delete",
            icon=":material/delete:",
            on_click=_delete,
            args=(data, name),
            disabled=not _may_delete(chosen),
        )


def _may_delete(chosen: SavedFilter) -> bool:
    user = access.current_user()
    return chosen.saved_by == user.name or user.role == "admin"


def _show_saving(data: Path) -> None:
    query = _current_query()
    st.text_input(
        "Save the filters of this list as",
        max_chars=MAX_NAME,
        key="filter name",
        placeholder="A name",
    )
    if not any(key in query for key in ("from", "to")):
        st.caption("Without a chosen period it always means the newest days.")
    st.button("Save", icon=":material/bookmark_add:", on_click=_save, args=(data, query))


def _current_query() -> str:
    given = {key: st.query_params.get_all(key) for key in KEYS}
    return urlencode({key: values for key, values in given.items() if values}, doseq=True)


def _open(query: str) -> None:
    wanted = parse_qs(query)
    for key in KEYS:
        st.query_params.pop(key, None)
    for key in filters.SHARED:
        st.session_state.get("filters", {}).pop(key, None)
    for key in KEYS:
        if key in wanted:
            st.query_params[key] = wanted[key]
    st.query_params.pop("page", None)


def _save(data: Path, query: str) -> None:
    name = st.session_state["filter name"].strip()
    if not name:
        st.session_state[FAILED] = "Give the filters a name."
        return
    _try(lambda: save_filter(data, SavedFilter(name, query, access.current_user().name)))
    st.session_state["filter name"] = ""


def _delete(data: Path, name: str) -> None:
    _try(lambda: delete_filter(data, name))


def _try(change: Callable[[], None]) -> None:
    try:
        change()
    except SavedFiltersError as error:
        st.session_state[FAILED] = str(error)
