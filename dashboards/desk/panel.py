"""The conversation that an agent answers: its newest messages, live, and what the agent can do."""

import streamlit as st

from dashboards import audit, formatting
from dashboards.api_client import FAILURES, explain
from dashboards.desk import actions, data
from dashboards.desk.actions import OUTCOMES
from ingest.client import Conversation, Message

REFRESH_SECONDS = 2
HEIGHT = 460
FAILED = "desk failed"
"""Key of why the last step failed; it stays until the next step."""


def show(conversation_id: str, agent: str) -> None:
    """Show a conversation; its messages refresh automatically."""
    try:
        state = data.load_state(conversation_id)
    except FAILURES as error:
        state = None
        st.warning(f"{explain(error)} Your text is kept.", icon=":material/cloud_off:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(formatting.reveal(conversation_id))
        st.page_link(
            "conversations/page.py",
            label="Transcript",
            icon=":material/forum:",
            query_params={"conversation": conversation_id},
        )
    if state is not None:
        audit.record_view(conversation_id, is_unmasked=True)
        st.session_state["desk control"] = _control(state)
        _show_live(conversation_id, agent)
    _show_failure()
    _show_composer(conversation_id, state, agent)


def _control(state: Conversation) -> tuple[str, int, str | None, str, bool]:
    """Return what decides about the buttons: if it changes, the whole page runs again."""
    return (
        state.conversation_id,
        state.control.epoch,
        state.control.participant_id,
        state.state,
        state.handoff is None,
    )


@st.fragment(run_every=REFRESH_SECONDS)
def _show_live(conversation_id: str, agent: str) -> None:
    try:
        live = data.load_live(conversation_id, agent, is_typing=_is_typing(conversation_id, agent))
    except FAILURES as error:
        st.warning(
            f"{explain(error)} This page tries again every {REFRESH_SECONDS} s.",
            icon=":material/cloud_off:",
        )
        return
    if _control(live.state) != st.session_state.get("desk control"):
        st.rerun()
    st.text(_situation(live.state, agent))
    with st.container(height=HEIGHT, autoscroll=True, key="desk-messages", gap="small"):
        for message in live.messages:
            _show_message(message)
    if live.typing:
        st.caption("The other side is typing …")


def _is_typing(conversation_id: str, agent: str) -> bool:
    _, _, owner, *_ = st.session_state["desk control"]
    return bool(st.session_state.get(f"typing {conversation_id}")) and owner == agent


def _situation(state: Conversation, agent: str) -> str:
    control = state.control
    if state.state == "closed":
        return "Closed: nothing more can be said here."
    if control.owner == "human" and control.participant_id == agent:
        return "You have control: the bot is silent."
    if control.owner == "human":
        return f"{formatting.quote(control.participant_id or 'An agent')} has control."
    resolved = " The demand is resolved." if state.state == "resolved" else ""
    return f"The bot has control.{resolved}"


def _show_message(message: Message) -> None:
    is_note = message.visibility == "internal"
    kind = "note" if is_note else message.participant_role
    with st.container(border=True, key=f"message-{kind}-{message.sequence}", gap="xxsmall"):
        with st.container(key=f"byline-{message.sequence}"):
            note = " · internal note" if is_note else ""
            st.text(
                f"{message.participant_role.capitalize()} {formatting.quote(message.participant_id)} · "
                f"{message.happened_at:%H:%M:%S} UTC{note}"
            )
        st.text(formatting.reveal(message.text or "(no text)"), width="stretch")


def _show_failure() -> None:
    failure = st.session_state.get(FAILED)
    if failure is not None:
        st.error(failure, icon=":material/error:")


def _show_composer(conversation_id: str, state: Conversation | None, agent: str) -> None:
    has_control = state is not None and state.control.participant_id == agent
    key = f"answer {conversation_id}"
    st.text_area(
        "Answer",
        key=key,
        max_chars=8000,
        persist_state="session",
        placeholder="What the customer reads",
    )
    st.toggle(
        "Show the customer that I am typing",
        key=f"typing {conversation_id}",
        disabled=not has_control,
        persist_state="session",
        help="Until the answer is sent, or the toggle is off.",
    )
    with st.container(horizontal=True):
        st.button(
            "Send",
            type="primary",
            icon=":material/send:",
            disabled=not has_control,
            on_click=_send,
            args=(state, agent, key),
        )
        st.button(
            "Keep as internal note",
            icon=":material/lock:",
            disabled=state is None,
            on_click=_send,
            args=(state, agent, key),
            kwargs={"is_note": True},
        )
        st.button(
            "Return to the bot",
            icon=":material/smart_toy:",
            disabled=not has_control,
            on_click=_return,
            args=(state, agent),
        )
        _show_finish(state, agent, is_possible=has_control)


def _show_finish(state: Conversation | None, agent: str, *, is_possible: bool) -> None:
    with st.popover("Finish", icon=":material/task_alt:", disabled=not is_possible):
        st.selectbox(
            "Outcome", list(OUTCOMES), format_func=lambda each: OUTCOMES[each].label, key="outcome"
        )
        st.button("End the handoff", on_click=_finish, args=(state, agent))


def _send(state: Conversation, agent: str, key: str, *, is_note: bool = False) -> None:
    text = st.session_state[key].strip()
    failure = (
        actions.send(state, agent, text, is_note=is_note) if text else "There is no text to send."
    )
    if failure is None:
        st.session_state[key] = ""
        if not is_note:
            st.session_state[f"typing {state.conversation_id}"] = False
    elif text:
        failure += " Your text is kept."
    st.session_state[FAILED] = failure


def _return(state: Conversation, agent: str) -> None:
    st.session_state[FAILED] = actions.return_to_bot(state, agent)


def _finish(state: Conversation, agent: str) -> None:
    outcome = OUTCOMES[st.session_state["outcome"]]
    st.session_state[FAILED] = actions.finish(state, agent, outcome)
