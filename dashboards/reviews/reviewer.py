"""Who reviews: the name in the reviews of this session."""

import re

import streamlit as st

from dashboards import access, filters
from ingest.settings import Settings

NAME = re.compile(r"(?!\.)[!-~]{1,128}")
"""An id of the record: visible ASCII without spaces, not beginning with a dot."""


def current_reviewer() -> str | None:
    """Return the reviewer of this session: the user who is signed in.

    Without a sign-in several people may use one machine: the name that is typed, None until it is valid. It stays on a
    change of page.
    """
    if Settings().has_sign_in:
        return access.current_user().name
    if "reviewer" not in st.query_params and st.session_state.get("reviewer"):
        st.query_params["reviewer"] = st.session_state["reviewer"]
    name = filters.choose_text("reviewer", "You review as", "Your name or id", 128, width=240)
    st.session_state["reviewer"] = name
    return name if NAME.fullmatch(name) else None


def ask_for_name() -> None:
    """Ask for a name, which the reviews need."""
    st.info(
        "Type your name or id first: your reviews have it. It has letters, digits and signs of ASCII, and no space, "
        "such as noor or noor.ali.",
        icon=":material/badge:",
    )
