"""The conversations page: find a conversation, and read its transcript."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import access, audit, filters, formatting, masking, page_layout
from dashboards.cell_text import texts
from dashboards.conversations import data, reading, saving, search_filters
from dashboards.conversations.data import ConversationPage
from dashboards.downloads import show_downloads
from dashboards.filter_state import Bounds, Period, Search
from ingest.settings import Settings

COLUMNS: dict[str, Any] = {
    "started_at": st.column_config.DatetimeColumn("Started", format="D MMM YYYY, HH:mm:ss"),
    "channel": "Channel",
    "state": "State",
    "contact_id": "Contact",
    "message_count": st.column_config.NumberColumn("Messages", format="localized"),
    "session_count": st.column_config.NumberColumn("Sessions", format="localized"),
    "handoff_count": st.column_config.NumberColumn("Handoffs", format="localized"),
    "lasted": "Lasted",
    "wait": "Longest wait",
    "feedback_score": st.column_config.NumberColumn("Feedback", format="%.1f"),
    "is_test": "Test",
    "conversation_id": "Conversation",
}

IDS = ("contact_id", "conversation_id")
"""Columns that a phone number or an email address may be in."""


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the conversation that the URL names, or else the list."""
    conversation_id = st.query_params.get("conversation")
    if conversation_id is None:
        _show_list(warehouse, bounds, whole)
    else:
        reading.show(warehouse, conversation_id)


def _show_list(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    scope = filters.choose_scope(bounds, whole)
    search = search_filters.choose_search(data.load_choices(warehouse))
    saving.show(Settings().data)
    asked = scope.named | search.chosen
    if search.chosen:
        audit.record_search(asked)
    page = filters.page_of("page", (scope, search))
    found = data.load_conversations(warehouse, scope, search, page)
    if not found.matches:
        st.info("No conversation matches these filters. Widen the period or drop a filter.")
        return
    _show_place(found, search, bounds)
    is_masked = not access.may("mask.lift")
    listed = masking.mask_ids(found.rows, IDS) if is_masked else found.rows
    rows = listed.with_columns(
        texts(listed["channel"], formatting.channel),
        texts(listed["state"], formatting.name),
        lasted=texts(listed["duration_seconds"], formatting.duration),
        wait=texts(listed["wait_seconds"], formatting.duration),
    )
    st.dataframe(
        rows.select(*COLUMNS),
        key="list",
        hide_index=True,
        column_config=COLUMNS,
        column_order=[each for each in COLUMNS if each != "is_test" or search.with_tests],
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open(found.rows, search.text),
        selection_mode=["single-row", "single-cell"],
    )
    filters.choose_page("page", found.number, found.pages)
    _show_draw_link()
    show_downloads(
        "conversations",
        found.matches,
        lambda: data.load_all_conversations(warehouse, scope, search),
        asked,
    )


def _show_place(found: ConversationPage, search: Search, bounds: Bounds) -> None:
    last = found.first + found.rows.height - 1
    st.caption(
        f"{formatting.count(found.first)} to {formatting.count(last)} of "
        f"{formatting.counted(found.matches, 'conversation')} "
        f"{'open' if search.is_active else 'begun'} in the period, "
        f"{search_filters.SORTS[search.sort].lower()} · times in "
        f"{bounds.reporting_zone} · click a row to read its transcript"
    )


def _show_draw_link() -> None:
    """Show a link to draw a sample for review from all that the list shows: the same filters, in the URL."""
    if not access.may("review.write"):
        return
    named = [key for key in search_filters.KEYS if key in st.query_params]
    st.page_link(
        "reviews/page.py",
        label="Draw a sample of these for review",
        icon=":material/rate_review:",
        query_params={**{key: st.query_params.get_all(key) for key in named}, "view": "draw"},
    )


def _open(listed: pl.DataFrame, words: str) -> None:
    selected = st.session_state["list"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < listed.height:
        row = listed.row(chosen[0], named=True)
        st.query_params["conversation"] = row["conversation_id"]
        if row["found_sequence"] is not None:
            st.query_params["event"] = str(row["found_sequence"])
            st.query_params["find"] = words


page_layout.show_page("Conversations", show)
