"""The tools of a reader: find words in the whole conversation, and go to a number or a time."""

import re
from datetime import date, datetime, time
from pathlib import Path

import streamlit as st

from dashboards import audit, filters, formatting
from dashboards.conversations import details
from dashboards.conversations.data import Transcript
from dashboards.conversations.details import Hits

NUMBER = re.compile(r"#?([0-9]{1,15})")
CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")


def show(warehouse: Path, found: Transcript, event: int | None) -> list[int]:
    """Show the tools; return the sequences of the hits in this part."""
    left, right = st.columns(2)
    with left:
        words = filters.choose_text(
            "find", "Find in this conversation", "Words of a message, of all parts"
        )
    with right:
        st.text_input(
            "Go to",
            placeholder="#5000, 14:30 or 2030-03-31 14:30",
            max_chars=40,
            key="go to",
            on_change=_go_to,
            args=(warehouse, found),
        )
    if (failure := st.session_state.pop("went nowhere", None)) is not None:
        st.info(failure, icon=":material/search_off:")
    return _show_hits(warehouse, found, words, event) if words else []


def _show_hits(warehouse: Path, found: Transcript, words: str, event: int | None) -> list[int]:
    conversation_id = found.conversation["conversation_id"]
    audit.record_search({"conversation_id": conversation_id, "text": words})
    first = int(found.entries["sequence"][0]) if found.entries.height else 0
    hits = details.load_hits(warehouse, found, words, first - 1 if event is None else event)
    with st.container(horizontal=True, vertical_alignment="center", key="hits"):
        st.text(_count(hits, event))
        _show_step("Previous", ":material/keyboard_arrow_up:", hits.before_at)
        _show_step("Next", ":material/keyboard_arrow_down:", hits.after_at)
    return hits.shown


def _count(hits: Hits, event: int | None) -> str:
    if not hits.hits:
        return "No message of this conversation has these words."
    place = f"{formatting.count(hits.place)} of " if event in hits.shown else ""
    verb = "has" if hits.hits == 1 else "have"
    return f"{place}{formatting.counted(hits.hits, 'message')} {verb} these words"


def _show_step(label: str, icon: str, sequence: int | None) -> None:
    st.button(
        label,
        key=f"hit {label}",
        icon=icon,
        disabled=sequence is None,
        on_click=_open_at,
        args=(sequence,),
    )


def _open_at(sequence: int) -> None:
    st.query_params.pop("part", None)
    st.query_params["event"] = str(sequence)


def _go_to(warehouse: Path, found: Transcript) -> None:
    wish = st.session_state["go to"].strip()
    if not wish:
        return
    if (number := NUMBER.fullmatch(wish)) is not None:
        sequence: int | None = max(1, int(number[1]))
    elif (moment := _moment(wish, found.conversation["first_on"])) is not None:
        sequence = details.load_sequence_at(warehouse, found, moment)
    else:
        st.session_state["went nowhere"] = (
            "Go to a number (#5000), a time of the first day (14:30), a day (2030-03-31) or both."
        )
        return
    if sequence is None:
        st.session_state["went nowhere"] = "This conversation has no entry at that time or later."
        return
    st.session_state["go to"] = ""
    _open_at(sequence)


def _moment(wish: str, first_on: date) -> datetime | None:
    """Return the time that a reader means, in the reporting zone; None if it cannot be read."""
    try:
        if CLOCK.fullmatch(wish):
            padded = wish if wish[2] == ":" else f"0{wish}"
            return datetime.combine(first_on, time.fromisoformat(padded))
        return datetime.fromisoformat(wish).replace(tzinfo=None)
    except ValueError:
        return None
