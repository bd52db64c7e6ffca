"""Contacts that may be the person of a conversation, and a user's decision about them.

The decision is an event of the log that names the user, so it needs no audit event of its own.
"""

import streamlit as st

from dashboards import access, formatting, masking
from dashboards.api_client import FAILURES, explain, open_client
from ingest.client import MergeProposal, ProblemError
from ingest.settings import Settings

MOST = 10
"""Maximum number of proposals on the page, the newest."""


def show(contact_id: str, *, is_masked: bool) -> None:
    """Show the proposals that name a contact to a user who may decide; nothing to others, or without any."""
    if not access.may("contact.merge"):
        return
    try:
        proposals = _load(contact_id)
    except FAILURES as error:
        st.caption(explain(error))
        return
    if not proposals:
        return
    with st.expander(f"Maybe the same person ({len(proposals)})", icon=":material/group:"):
        for each in proposals:
            _show_proposal(contact_id, each, is_masked=is_masked)


def _load(contact_id: str) -> list[MergeProposal]:
    """Return the newest proposals; none if the key of the dashboard does not read contacts."""
    found: list[MergeProposal] = []
    try:
        for each in open_client(Settings()).merge_proposals(contact_id):
            found.append(each)
            if len(found) == MOST:
                break
    except ProblemError as error:
        if error.code != "missing_scope":
            raise
    return found


def _show_proposal(contact_id: str, proposal: MergeProposal, *, is_masked: bool) -> None:
    pair = (proposal.contact_id, proposal.other_contact_id)
    other = pair[1] if contact_id == pair[0] else pair[0]
    named = ", ".join(f"{each.kind} {each.address}" for each in proposal.addresses)
    seen = [masking.mask(each) if is_masked else each for each in (other, named)]
    with st.container(border=True):
        st.text(formatting.reveal(seen[0]))
        st.caption("One call named both by these addresses:")
        st.text(formatting.reveal(seen[1]))
        with st.container(horizontal=True):
            st.button("The same person", key=f"merge {other}", on_click=_merge, args=(other, contact_id))  # fmt: skip
            st.button("Two people", key=f"decline {other}", on_click=_decline, args=pair)


def _merge(other: str, contact_id: str) -> None:
    user = access.require("contact.merge")
    try:
        open_client(Settings()).merge_contact(other, contact_id, decided_by=user.name)
    except FAILURES as error:
        st.toast(explain(error))


def _decline(contact_id: str, other: str) -> None:
    user = access.require("contact.merge")
    try:
        open_client(Settings()).decline_merge(contact_id, other, decided_by=user.name)
    except FAILURES as error:
        st.toast(explain(error))
