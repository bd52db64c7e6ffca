"""The one place where the reviews page opens a transcript."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards import audit, filters
from dashboards.conversations import transcript
from dashboards.conversations.data import load_transcript
from dashboards.conversations.details import load_details
from dashboards.conversations.transcript import View
from dashboards.masking import mask_entries

HEIGHT = 880
"""Height of the transcript in pixels: it scrolls next to the form."""


@dataclass(frozen=True)
class Opened:
    """A part of a transcript: its masked entries, which are shown.

    `originals`: the text of each message by its id, to find places in it. It is not masked, so it is never shown.
    """

    entries: pl.DataFrame
    originals: dict[str, str]


def show_transcript(warehouse: Path, conversation_id: str) -> Opened | None:
    """Record that the user opens a conversation, and show it masked in a frame that scrolls.

    Return what is shown, None if the warehouse does not have the conversation.
    """
    part = filters.page_of("part", conversation_id)
    found = load_transcript(warehouse, conversation_id, part)
    if found is None:
        st.warning(
            "The warehouse does not have this conversation any more. Release it, or load the warehouse again.",
            icon=":material/search_off:",
        )
        return None
    audit.record_view(conversation_id)
    masked = mask_entries(found.entries)
    view = View(conversation_id, load_details(warehouse, found))
    with st.container(height=HEIGHT, border=False, key="reviewed transcript"):
        transcript.show_entries(masked, view)
    filters.choose_page("part", found.part, found.parts)
    created = found.entries.filter(pl.col("event_type") == "message.created").drop_nulls("text")
    return Opened(masked, dict(created.select("message_id", "text").iter_rows()))


def show_link(conversation_id: str) -> None:
    """Show a link to the whole transcript."""
    st.page_link(
        "conversations/page.py",
        label="Open the transcript",
        icon=":material/open_in_new:",
        query_params={"conversation": conversation_id},
    )
