"""The one place where the reviews page opens a transcript."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from dashboards import audit, filters
from dashboards.conversations import transcript
from dashboards.conversations.data import Transcript, load_transcript
from dashboards.conversations.details import load_details
from dashboards.conversations.transcript import View
from dashboards.masking import mask_entries

HEIGHT = 880
"""Height of the transcript in pixels: it scrolls next to the form."""


def show_transcript(warehouse: Path, conversation_id: str) -> Transcript | None:
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
    masked = replace(found, entries=mask_entries(found.entries))
    view = View(conversation_id, load_details(warehouse, found))
    with st.container(height=HEIGHT, border=False, key="reviewed transcript"):
        transcript.show_entries(masked.entries, view)
    filters.choose_page("part", found.part, found.parts)
    return masked


def show_link(conversation_id: str) -> None:
    """Show a link to the whole transcript."""
    st.page_link(
        "conversations/page.py",
        label="Open the transcript",
        icon=":material/open_in_new:",
        query_params={"conversation": conversation_id},
    )
