"""The conversations page: find a conversation, and read its transcript."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import audit, filters, formatting, page_layout
from dashboards.conversations import data, search_filters, transcript
from dashboards.conversations.data import ConversationPage
from dashboards.downloads import show_downloads
from dashboards.filter_state import Bounds, Period, Search

COLUMNS: dict[str, Any] = {
    "started_at": st.column_config.DatetimeColumn("Started", format="D MMM YYYY, HH:mm:ss"),
    "channel": "Channel",
    "state": "State",
    "contact_id": "Contact",
    "message_count": st.column_config.NumberColumn("Messages", format="localized"),
    "session_count": st.column_config.NumberColumn("Sessions", format="localized"),
    "handoff_count": st.column_config.NumberColumn("Handoffs", format="localized"),
    "wait": "Longest wait",
    "feedback_score": st.column_config.NumberColumn("Feedback", format="%.1f"),
    "is_test": "Test",
    "conversation_id": "Conversation",
}


def show(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    """Show the conversation that the URL names, or else the list."""
    conversation_id = st.query_params.get("conversation")
    if conversation_id is None:
        _show_list(warehouse, bounds, whole)
    else:
        _show_conversation(warehouse, conversation_id)


def _show_list(warehouse: Path, bounds: Bounds, whole: Period) -> None:
    scope = filters.choose_scope(bounds, whole)
    search = search_filters.choose_search(data.load_choices(warehouse))
    asked = scope.named | search.chosen
    if search.chosen:
        audit.record_search(asked)
    page = filters.page_of("page", (scope, search))
    found = data.load_conversations(warehouse, scope, search, page)
    if not found.matches:
        st.info("No conversation matches these filters. Widen the period or drop a filter.")
        return
    _show_place(found, search, bounds)
    rows = found.rows.with_columns(
        pl.col("channel").map_elements(formatting.channel, return_dtype=pl.String),
        pl.col("state").map_elements(formatting.name, return_dtype=pl.String),
        wait=pl.col("wait_seconds").map_elements(formatting.duration, return_dtype=pl.String),
    )
    st.dataframe(
        rows.select(*COLUMNS),
        key="list",
        hide_index=True,
        column_config=COLUMNS,
        column_order=[each for each in COLUMNS if each != "is_test" or search.with_tests],
        height="content",
        placeholder=formatting.UNKNOWN,
        on_select=lambda: _open(found.rows),
        selection_mode=["single-row", "single-cell"],
    )
    filters.choose_page("page", found.number, found.pages)
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


def _open(listed: pl.DataFrame) -> None:
    selected = st.session_state["list"]["selection"]
    chosen = [*selected["rows"], *(row for row, _ in selected["cells"])]
    if chosen and chosen[0] < listed.height:
        row = listed.row(chosen[0], named=True)
        st.query_params["conversation"] = row["conversation_id"]
        if row["found_sequence"] is not None:
            st.query_params["message"] = str(row["found_sequence"])


def _close() -> None:
    del st.query_params["conversation"]
    _show_from_the_start()


def _show_from_the_start() -> None:
    for name in ("part", "message"):
        st.query_params.pop(name, None)


def _show_conversation(warehouse: Path, conversation_id: str) -> None:
    st.button("All conversations", icon=":material/arrow_back:", on_click=_close)
    part = filters.page_of("part", conversation_id)
    message = filters.number_of("message")
    found = data.load_transcript(warehouse, conversation_id, part, message)
    if found is None:
        st.warning(
            "No conversation on record has the id in the address. Check the link; a conversation "
            "that began a moment ago is here after the next load.",
            icon=":material/search_off:",
        )
        return
    audit.record_view(conversation_id)
    _show_summary(found.conversation)
    _show_link(conversation_id)
    if message is not None:
        st.caption(f"From the found message on, #{message}")
        st.button("Whole transcript", icon=":material/first_page:", on_click=_show_from_the_start)
    elif found.parts > 1:
        st.caption(
            f"Part {found.part} of {found.parts} · {formatting.counted(found.entry_count, 'entry', 'entries')}"
        )
    transcript.show_entries(found.entries)
    if message is None:
        filters.choose_page("part", found.part, found.parts)


def _show_summary(row: dict[str, Any]) -> None:
    with st.container(border=True, key="summary"):
        st.text(formatting.reveal(row["conversation_id"]))
        with st.container(horizontal=True, gap="medium"):
            for label, value in _facts(row):
                with st.container(width="content", gap=None):
                    st.caption(label)
                    st.text(value)


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    said = ", ".join(
        f"{formatting.count(row[f'{role}_message_count'])} {role}"
        for role in ("customer", "bot", "agent")
    )
    score = row["feedback_score"]
    facts = [
        ("Channel", formatting.channel(row["channel"])),
        ("State", formatting.name(row["state"])),
        (f"Started ({row['reporting_zone']})", formatting.moment(row["started_at"])),
        ("Latest event", formatting.moment(row["latest_at"])),
        ("Contact", formatting.reveal(row["contact_id"] or formatting.UNKNOWN)),
        ("Messages", f"{formatting.count(row['message_count'])} ({said})"),
        ("Sessions", formatting.count(row["session_count"])),
        ("Handoffs", formatting.count(row["handoff_count"])),
        ("Feedback", formatting.UNKNOWN if score is None else f"{score:g}"),
    ]
    return [*facts, ("Test", "Yes, counted nowhere")] if row["is_test"] else facts


def _show_link(conversation_id: str) -> None:
    st.caption("Link to this transcript")
    st.code(filters.link("conversation", conversation_id), language=None, wrap_lines=True)


page_layout.show_page("Conversations", show)
