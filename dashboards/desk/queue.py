"""The list of the desk: handoffs that wait for an agent, and those of this agent."""

from datetime import UTC, datetime

import streamlit as st

from dashboards import formatting
from dashboards.api_client import FAILURES, explain
from dashboards.desk import actions, data
from ingest.client import Conversation

REFRESH_SECONDS = 3
SAID = "desk said"
"""Key of a failure that the next run shows: a run that opens a conversation starts the page again."""


def show(agent: str) -> None:
    """Show the list; it refreshes automatically."""
    _show_list(agent)


@st.fragment(run_every=REFRESH_SECONDS)
def _show_list(agent: str) -> None:
    if st.session_state.pop("desk opened", False):
        st.rerun()
    said = st.session_state.pop(SAID, None)
    if said is not None:
        st.warning(said, icon=":material/info:")
    try:
        found = data.load_handoffs(agent)
    except FAILURES as error:
        st.warning(
            f"{explain(error)} This list tries again every {REFRESH_SECONDS} s.",
            icon=":material/cloud_off:",
        )
        return
    _show_own(found.own)
    _show_waiting(found.waiting, agent)


def _show_waiting(waiting: list[Conversation], agent: str) -> None:
    more = "+" if len(waiting) == data.MAX_HANDOFFS else ""
    st.subheader(f"Waiting ({len(waiting)}{more})", anchor=False)
    st.caption("The longest wait first")
    if not waiting:
        st.caption("No handoff waits. This list refreshes automatically.")
    for each in waiting:
        _show_handoff(each, agent)


def _show_handoff(each: Conversation, agent: str) -> None:
    handoff = each.handoff
    if handoff is None:
        return
    offered = handoff.participant_id
    with st.container(border=True, gap="xxsmall"):
        st.text(f"Waits {_since(handoff.requested_at)}")
        st.text(_about(each))
        if offered is not None:
            st.text(f"Offered to {formatting.quote(offered)}")
        st.button(
            "Take",
            key=f"take {handoff.handoff_id}",
            icon=":material/front_hand:",
            disabled=offered not in (None, agent),
            on_click=_take,
            args=(each, agent),
        )


def _show_own(own: list[Conversation]) -> None:
    st.subheader(f"Yours ({len(own)})", anchor=False)
    if not own:
        st.caption("You have no conversation.")
    for each in own:
        with st.container(border=True, gap="xxsmall"):
            st.text(formatting.quote(each.conversation_id))
            st.text(_about(each))
            st.button(
                "Open",
                key=f"open {each.conversation_id}",
                icon=":material/chat:",
                on_click=_open,
                args=(each.conversation_id,),
                disabled=st.query_params.get("conversation") == each.conversation_id,
            )


def _about(each: Conversation) -> str:
    parts = [formatting.channel(each.channel)]
    if each.handoff is not None and each.handoff.queue is not None:
        parts.append(f"queue {formatting.quote(each.handoff.queue)}")
    if each.handoff is not None and each.handoff.reason is not None:
        parts.append(formatting.quote(formatting.shorten(each.handoff.reason.replace("_", " "))))
    parts.append(formatting.counted(each.message_count, "message"))
    return " · ".join(parts)


def _since(requested_at: datetime) -> str:
    waited = (datetime.now(UTC) - requested_at).total_seconds()
    return formatting.duration(max(0.0, waited))


def _take(each: Conversation, agent: str) -> None:
    failure = actions.take(each, agent)
    if failure is None:
        _open(each.conversation_id)
    else:
        st.session_state[SAID] = failure


def _open(conversation_id: str) -> None:
    st.query_params["conversation"] = conversation_id
    st.session_state["desk opened"] = True
