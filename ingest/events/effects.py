"""What follows from an event, and what falls due by itself: the events that the server writes.

Pure: neither asks a clock nor touches a store. States change by `folds.apply` alone.
"""

from typing import Any
from uuid import uuid5

from ingest.contract import NAMESPACE
from ingest.events import handoff_state
from ingest.events.conversation_state import BOT, Conversation
from ingest.events.projections import apply
from ingest.events.stored_event import StoredEvent, system_event
from ingest.events.timers import SESSION_RULE_VERSION, LifecyclePolicy, Timer, next_timer

PASSIVE_TYPES = frozenset(
    {
        "conversation.updated", "conversation.state_changed", "conversation.resolved",
        "participant.updated", "participant.left", "participant.read_advanced",
        "message.edited", "message.deleted", "message.reacted", "message.submitted",
        "message.delivered", "message.read", "message.failed",
        "handoff.expired", "handoff.closed", "session.ended", "feedback.requested", "feedback.submitted", "typing.started", "typing.stopped",
    }
)  # fmt: skip
"""These fall into the session that is open, and open none: a receipt of tomorrow is no visit."""


def append_with_effects(
    row: StoredEvent, state: Conversation, rules: LifecyclePolicy, *, is_late: bool
) -> list[StoredEvent]:
    """Give the row its sequence and session; it and the server's events around it, in order.

    `is_late`: it could not have been commanded any more, so nothing follows from it but its place.
    """
    rows: list[StoredEvent] = []
    is_creation = row.event_type == "conversation.created"
    is_note = row.event_type == "message.created" and row.visibility == "internal"
    starts = (
        state.session_id is None
        and state.state != "closed"
        and row.event_type not in PASSIVE_TYPES
        and not is_note
    )
    if starts and not is_creation:
        rows.append(_start_session(row, state, rules))
    state_before = state.state
    row.session_id = (
        session_id_for(state.conversation_id, state.session_number + 1)
        if starts and is_creation
        else state.session_id
    )
    _append(rows, row, state)
    if starts and is_creation:
        # A conversation's first event is its creation, also where that opens its first session.
        rows.append(_start_session(row, state, rules))
    if row.event_type == "message.created":
        if state.state != state_before:
            _append(rows, _awoken(row, state, state_before), state)
    elif not is_late:
        _follow(rows, row, state)
    return rows


def _follow(rows: list[StoredEvent], row: StoredEvent, state: Conversation) -> None:
    """What the server adds after an event."""
    if (owner := handoff_state.next_control(row, state)) is not None:
        payload = {"from": state.control.owner, "owner": owner.owner, "epoch": owner.epoch}
        if owner.participant_id is not None:
            payload["participant_id"] = owner.participant_id
        _append(rows, _caused("control.changed", row, state, payload), state)
    if (
        row.event_type == "bot.turn_failed"
        and state.hand_off_on_bot_failure
        and _may_hand_off(state)
    ):
        asked = _caused(
            "handoff.requested", row, state, {"reason": "bot_failed"}, visibility="public"
        )
        asked.handoff_id = asked.event_id
        _append(rows, asked, state)
    if state.state == "closed" and state.handoff is not None:
        given_up = _caused(
            "handoff.closed", row, state, {"reason": "conversation_closed"}, visibility="public"
        )
        given_up.handoff_id = state.handoff.handoff_id
        _append(rows, given_up, state)
        _follow(rows, given_up, state)
    reason = _session_end(row, state)
    if reason is not None and state.session_id is not None:
        _append(rows, _caused("session.ended", row, state, {"reason": reason}), state)


def _awoken(row: StoredEvent, state: Conversation, before: str) -> StoredEvent:
    """What a message made of the state, told as an event of its own."""
    if before == "resolved":
        payload = {"from": before, "reason": "message"}
        return _caused("conversation.reopened", row, state, payload, visibility="public")
    payload = {"from": before, "to": state.state, "reason": "message"}
    return _caused("conversation.state_changed", row, state, payload, visibility="public")


def _may_hand_off(state: Conversation) -> bool:
    return state.handoff is None and state.control.owner == BOT


def _session_end(row: StoredEvent, state: Conversation) -> str | None:
    if row.event_type == "conversation.state_changed" and state.state == "closed":
        return "conversation_closed"
    if (
        row.event_type == "participant.left"
        and row.participant_role == "customer"
        and not state.has_role("customer")
    ):
        return "participant_left"
    return None


def _append(rows: list[StoredEvent], row: StoredEvent, state: Conversation) -> None:
    row.sequence = state.last_sequence + 1
    apply(state, row)
    rows.append(row)


def session_id_for(conversation_id: str, number: int) -> str:
    """Id of a conversation's first, second … session."""
    return str(uuid5(NAMESPACE, f"session/{conversation_id}/{number}"))


def _start_session(row: StoredEvent, state: Conversation, rules: LifecyclePolicy) -> StoredEvent:
    number = state.session_number + 1
    payload: dict[str, Any] = {
        "number": number,
        "rule_version": SESSION_RULE_VERSION,
        "timeout_seconds": rules.session_timeout(state.channel) // 1_000_000,
    }
    if rules.session_inherits_attributes and state.session_attributes:
        payload["attributes"] = state.session_attributes
    started = _caused("session.started", row, state, payload)
    started.session_id = session_id_for(state.conversation_id, number)
    started.sequence = state.last_sequence + 1
    apply(state, started)
    return started


def _caused(
    event_type: str,
    cause: StoredEvent,
    state: Conversation,
    payload: dict[str, Any],
    visibility: str = "internal",
) -> StoredEvent:
    return system_event(
        event_type,
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=cause.happened_at,
        received_at=cause.received_at,
        payload=payload,
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        caused_by=cause.event_id,
        visibility=visibility,
        is_test=state.is_test,
    )


def run_timers(
    state: Conversation, rules: LifecyclePolicy, until: int, received_at: int
) -> list[StoredEvent]:
    """Events that were due at or before `until` in the conversation's own time, in order.

    Each happened when it was due, however late it is written.
    """
    rows: list[StoredEvent] = []
    while (due := next_timer(state, rules)) is not None and due.at <= until:
        rows += _happen(due, state, received_at)
    state.next_timer_at = None if due is None else due.at
    return rows


def _happen(due: Timer, state: Conversation, received_at: int) -> list[StoredEvent]:
    rows: list[StoredEvent] = []
    payload: dict[str, Any] = {"reason": due.reason}
    if due.event_type == "conversation.state_changed":
        payload = {"from": state.state, "to": due.reason, "reason": "timer"}
    row = system_event(
        due.event_type,
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=due.at,
        received_at=received_at,
        payload=payload,
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        visibility="internal" if due.event_type == "session.ended" else "public",
        is_test=state.is_test,
        handoff_id=state.handoff.handoff_id
        if state.handoff and due.event_type == "handoff.expired"
        else None,
        queue=state.handoff.queue
        if state.handoff and due.event_type == "handoff.expired"
        else None,
    )
    _append(rows, row, state)
    _follow(rows, row, state)
    return rows
