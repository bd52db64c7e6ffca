"""The agent desk: waiting handoffs on the left, the conversation that the agent answers on the right."""

import re

import streamlit as st

from dashboards import access, page_layout
from dashboards.desk import panel, queue
from ingest.settings import Settings

AGENT = re.compile(r"[!-\-/-~][!-~]{0,127}")
"""An id of the record: visible ASCII, not beginning with a dot."""


def show() -> None:
    """Show the desk of one agent."""
    page_layout.show_title("Agent desk")
    agent = _agent()
    if agent is None:
        return
    conversation_id = st.query_params.get("conversation")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        queue.show(agent)
    with right:
        if conversation_id is None:
            st.info("Take a waiting handoff, or open one of yours.", icon=":material/headset_mic:")
        else:
            panel.show(conversation_id, agent)


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
