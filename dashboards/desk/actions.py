"""What an agent does on the desk. Each step is safe to repeat after a failure: it keeps its event id until it succeeds."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import streamlit as st

from dashboards.api_client import FAILURES, explain, open_client
from ingest.client import Client, Conversation, ProblemError
from ingest.settings import Settings

Step = Callable[[Client, str], object]
"""A call of the client with the event id of the step."""


@dataclass(frozen=True)
class Outcome:
    """How a handoff ends: its label, its reason on the record, and whether the demand is met."""

    label: str
    reason: str
    is_solved: bool = False
    is_confirmed: bool = False


OUTCOMES = {
    "confirmed": Outcome("Solved, the customer confirmed it", "solved", True, True),
    "solved": Outcome("Solved", "solved", True),
    "unsolved": Outcome("Not solved", "unsolved"),
    "customer_left": Outcome("The customer is gone", "customer_left"),
}

WORDS = {
    "handoff_state": "This handoff does not wait any more: another agent took it, it was offered to one, or it "
    "ended.",
    "stale_epoch": "Control has changed since this page read the conversation. Read what happened, then send "
    "again.",
    "not_in_control": "You do not have control of this conversation any more: another agent or the bot has it.",
    "rejected_by_hook": "A hook of this installation rejected the message.",
}


def take(handoff: Conversation, agent: str) -> str | None:
    """Accept a waiting handoff. Return None, or why it could not be done."""
    conversation_id, handoff_id = handoff.conversation_id, _handoff_id(handoff)
    return _attempt(
        ("take", handoff_id, agent),
        lambda client, key: client.accept_handoff(conversation_id, handoff_id, agent, event_id=key),
    )


def send(state: Conversation, agent: str, text: str, *, is_note: bool = False) -> str | None:
    """Post a message of the agent, with the control epoch that the page saw, or an internal note.

    Return None, or why it could not be done.
    """
    return _attempt(
        ("send", state.conversation_id, text, is_note),
        lambda client, key: client.post_message(
            state.conversation_id,
            agent,
            text,
            control_epoch=None if is_note else state.control.epoch,
            visibility="internal" if is_note else None,
            event_id=key,
        ),
    )


def return_to_bot(state: Conversation, agent: str) -> str | None:
    """Give control back to the bot. Return None, or why it could not be done."""
    conversation_id, handoff_id = state.conversation_id, _handoff_id(state)
    return _attempt(
        ("return", handoff_id, agent),
        lambda client, key: client.return_handoff(conversation_id, handoff_id, agent, event_id=key),
    )


def finish(state: Conversation, agent: str, outcome: Outcome) -> str | None:
    """Resolve the conversation if the demand is met, and end the handoff. Return None, or why it failed."""
    conversation_id, handoff_id = state.conversation_id, _handoff_id(state)

    def resolve_and_close(client: Client, key: str) -> object:
        if outcome.is_solved:
            client.resolve(
                conversation_id,
                agent,
                "agent",
                is_confirmed=outcome.is_confirmed,
                event_id=f"{key}-resolved",
            )
        return client.close_handoff(
            conversation_id, handoff_id, agent, reason=outcome.reason, event_id=key
        )

    return _attempt(("finish", handoff_id, agent, outcome), resolve_and_close)


def _handoff_id(state: Conversation) -> str:
    return "" if state.handoff is None else state.handoff.handoff_id


def _attempt(key: tuple[object, ...], step: Step) -> str | None:
    """Run a step with its event id; forget the id once the step is done."""
    ids: dict[tuple[object, ...], str] = st.session_state.setdefault("desk ids", {})
    event_id = ids.setdefault(key, str(uuid4()))
    try:
        step(open_client(Settings()), event_id)
    except ProblemError as error:
        if not error.is_retryable:
            del ids[key]
        return WORDS.get(error.code) or explain(error)
    except FAILURES as error:
        return explain(error)
    del ids[key]
    return None
