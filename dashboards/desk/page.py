"""The agent desk: the conversation that the agent answers, and the list of handoffs."""

import re

import streamlit as st

from dashboards import access, page_layout
from dashboards.desk import panel, queue
from ingest.settings import Settings

# An id of the record: visible ASCII, not beginning with a dot.
AGENT = re.compile(r"[!-\-/-~][!-~]{0,127}")


def show() -> None:
    """Show the desk of one agent."""
    page_layout.show_title("Agent desk")
    agent = _agent()
    if agent is None:
        return
    conversation_id = st.query_params.get("conversation")
    # The conversation is first: on a phone the columns stand one below the other.
    left, right = st.columns([2, 1], gap="medium")
    with left:
        if conversation_id is None:
            st.info("Take a waiting handoff, or open one of yours.", icon=":material/headset_mic:")
        else:
            panel.show(conversation_id, agent)
    with right:
        queue.show(agent)


def _agent() -> str | None:
    """Return the agent of this session: the user who is signed in, or else the id in the URL."""
    user = access.require("desk.use")
    if Settings().has_sign_in:
        return user.name
    name = st.text_input(
        "You answer as",
        user.name,
        max_chars=128,
        key="agent",
        bind="query-params",
        help="The id of the agent on the record. With a sign-in it is that of the user.",
        width=320,
    )
    if not AGENT.fullmatch(name or ""):
        st.warning("An id has letters, digits and signs of ASCII, and no space: noor.ali")
        return None
    return name


show()
