"""Effects: the events that the server writes because of another event, or because a timer is due.

Pure: no clock and no store. Only `projections.apply` changes a state.
"""

from typing import Any

from ingest.contract import derived_id
from ingest.events import handoff_state
from ingest.events.conversation_state import BOT, HUMAN, Conversation
from ingest.events.projections import apply
from ingest.events.stored_event import StoredEvent, system_event
from ingest.events.timers import SESSION_RULE_VERSION, LifecyclePolicy, Timer, next_timer
from ingest.events.types import WAITING, rules_of


def append_with_effects(
    event: StoredEvent, state: Conversation, policy: LifecyclePolicy, *, is_stale: bool
) -> list[StoredEvent]:
    """Give the event its sequence and session; return it with its effects, in order.

    A stale event has no effects.
    """
    events: list[StoredEvent] = []
    starts_session = _starts_session(event, state)
    is_creation = event.event_type == "conversation.created"
    if starts_session and not is_creation:
        events.append(_start_session(event, state, policy))
    state_before = state.state
    event.session_id = (
        session_id_for(state.conversation_id, state.session_number + 1)
        if starts_session and is_creation
        else state.session_id
    )
    _append(events, event, state)
    if starts_session and is_creation:
        # The first event of a conversation is its creation, also where that opens the first session.
        events.append(_start_session(event, state, policy))
    if event.event_type == "message.created":
        if state.state != state_before:
            _append(events, _state_change(event, state, state_before), state)
    elif not is_stale:
        _append_effects(events, event, state, policy)
    return events


def _starts_session(event: StoredEvent, state: Conversation) -> bool:
    if state.session_id is not None or state.state == "closed":
        return False
    is_message = event.event_type == "message.created"
    is_quiet = event.visibility == "internal" or event.participant_role == "system"
    return rules_of(event.event_type).opens_session and not (is_message and is_quiet)


def _append_effects(
    events: list[StoredEvent], event: StoredEvent, state: Conversation, policy: LifecyclePolicy
) -> None:
    if event.event_type == "control.taken":
        _append_taken_handoff(events, event, state)
        return
    reason = rules_of(event.event_type).abandon_reason
    if reason is not None and handoff_state.has_control(event, state):
        _append_abandoned_handoff(events, event, state, policy, reason)
    _append_control_change(events, event, state)
    if event.event_type == "bot.turn_failed" and _hands_off_on_failure(state):
        _append_handoff_step(events, "handoff.requested", event, state, reason="bot_failed")
    close_reason = _handoff_close_reason(event, state)
    if close_reason is not None:
        closed = _append_handoff_step(events, "handoff.closed", event, state, reason=close_reason)
        _append_effects(events, closed, state, policy)
    end_reason = _session_end_reason(event, state)
    if end_reason is not None and state.session_id is not None:
        _append(events, _caused("session.ended", event, state, {"reason": end_reason}), state)


def _append_taken_handoff(
    events: list[StoredEvent], event: StoredEvent, state: Conversation
) -> None:
    """Pass the open handoff, or a new one, to the agent who took control."""
    if handoff_state.has_control(event, state):
        return
    if state.handoff is None:
        _append_handoff_step(events, "handoff.requested", event, state, reason="taken")
    elif state.handoff.status == "accepted":
        _append_handoff_step(
            events,
            "handoff.transferred",
            event,
            state,
            reason="taken",
            to_participant_id=event.participant_id,
        )
    accepted = _append_handoff_step(events, "handoff.accepted", event, state, reason="taken")
    _append_control_change(events, accepted, state)


def _append_abandoned_handoff(
    events: list[StoredEvent],
    event: StoredEvent,
    state: Conversation,
    policy: LifecyclePolicy,
    reason: str,
) -> None:
    """Pass on the handoff of an agent who is gone: to the queue, or back to the bot."""
    if policy.agent_left_to == "bot" and state.has_role("bot"):
        event_type = "handoff.returned"
    else:
        event_type = "handoff.transferred"
    if state.handoff is not None:
        _append_handoff_step(events, event_type, event, state, reason=reason)
    elif event_type == "handoff.transferred":
        _append_handoff_step(events, "handoff.requested", event, state, reason=reason)


def _append_handoff_step(
    events: list[StoredEvent],
    event_type: str,
    cause: StoredEvent,
    state: Conversation,
    **payload: Any,
) -> StoredEvent:
    """Append a step of the open handoff, or the request of a new one."""
    step = _caused(event_type, cause, state, payload, visibility="public")
    step.handoff_id = step.event_id if state.handoff is None else state.handoff.handoff_id
    if rules_of(event_type).names_agent:
        step.participant_id, step.participant_role = cause.participant_id, cause.participant_role
        step.contact_id = cause.contact_id
    _append(events, step, state)
    return step


def _append_control_change(
    events: list[StoredEvent], event: StoredEvent, state: Conversation
) -> None:
    control = handoff_state.next_control(event, state)
    if control is None:
        return
    payload = {"from": state.control.owner, "owner": control.owner, "epoch": control.epoch}
    if control.participant_id is not None:
        payload["participant_id"] = control.participant_id
    _append(events, _caused("control.changed", event, state, payload), state)


def _state_change(event: StoredEvent, state: Conversation, before: str) -> StoredEvent:
    """Build the event that records how a message changed the state."""
    if before == "resolved":
        payload = {"from": before, "reason": "message"}
        return _caused("conversation.reopened", event, state, payload, visibility="public")
    payload = {"from": before, "to": state.state, "reason": "message"}
    return _caused("conversation.state_changed", event, state, payload, visibility="public")


def _hands_off_on_failure(state: Conversation) -> bool:
    return state.hand_off_on_bot_failure and state.handoff is None and state.control.owner == BOT


def _handoff_close_reason(event: StoredEvent, state: Conversation) -> str | None:
    """Return why the open handoff ends with this event; None if it continues.

    Without a demand or a customer, no other agent is needed. An agent in control ends it on their own.
    """
    if state.handoff is None:
        return None
    if state.state == "closed":
        return "conversation_closed"
    if state.handoff.status not in WAITING:
        return None
    if event.event_type == "conversation.resolved":
        return None if state.control.owner == HUMAN else "resolved"
    return "customer_left" if _is_last_customer_leaving(event, state) else None


def _session_end_reason(event: StoredEvent, state: Conversation) -> str | None:
    if event.event_type == "conversation.state_changed" and state.state == "closed":
        return "conversation_closed"
    return "participant_left" if _is_last_customer_leaving(event, state) else None


def _is_last_customer_leaving(event: StoredEvent, state: Conversation) -> bool:
    is_customer = event.participant_role == "customer"
    return event.event_type == "participant.left" and is_customer and not state.has_role("customer")


def _append(events: list[StoredEvent], event: StoredEvent, state: Conversation) -> None:
    event.sequence = state.last_sequence + 1
    apply(state, event)
    events.append(event)


def session_id_for(conversation_id: str, number: int) -> str:
    """Return the id of a conversation's session; `number` starts at 1."""
    return derived_id(f"session/{conversation_id}/{number}")


def _start_session(event: StoredEvent, state: Conversation, policy: LifecyclePolicy) -> StoredEvent:
    number = state.session_number + 1
    payload: dict[str, Any] = {
        "number": number,
        "rule_version": SESSION_RULE_VERSION,
        "timeout_seconds": policy.session_timeout(state.channel) // 1_000_000,
    }
    if policy.session_inherits_attributes and state.session_attributes:
        payload["attributes"] = state.session_attributes
    started = _caused("session.started", event, state, payload)
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
    state: Conversation, policy: LifecyclePolicy, until: int, received_at: int
) -> list[StoredEvent]:
    """Return the events of all timers due at or before `until` in the conversation's own time, in order.

    Each event's `happened_at` is when its timer was due, however late the server writes it.
    """
    events: list[StoredEvent] = []
    while (timer := next_timer(state, policy)) is not None and timer.at <= until:
        events += _run_timer(timer, state, policy, received_at)
    state.next_timer_at = None if timer is None else timer.at
    return events


def _run_timer(
    timer: Timer, state: Conversation, policy: LifecyclePolicy, received_at: int
) -> list[StoredEvent]:
    payload: dict[str, Any] = {"reason": timer.reason}
    if timer.event_type == "conversation.state_changed":
        payload = {"from": state.state, "to": timer.reason, "reason": "timer"}
    handoff = state.handoff if timer.event_type == "handoff.expired" else None
    event = system_event(
        timer.event_type,
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=timer.at,
        received_at=received_at,
        payload=payload,
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        visibility=rules_of(timer.event_type).visibility,
        is_test=state.is_test,
        handoff_id=None if handoff is None else handoff.handoff_id,
        queue=None if handoff is None else handoff.queue,
    )
    if timer.event_type == "control.released":
        event.participant_id, event.participant_role = state.controlling_agent, "agent"
    events: list[StoredEvent] = []
    _append(events, event, state)
    _append_effects(events, event, state, policy)
    return events


def record_presence(
    state: Conversation, policy: LifecyclePolicy, *, is_connected: bool, at: int
) -> list[StoredEvent]:
    """Return the event that the agent in control was connected or disconnected; none if that is known."""
    if state.controlling_agent is None or is_connected == (state.agent_disconnected_at is None):
        return []
    event = system_event(
        "participant.connected" if is_connected else "participant.disconnected",
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=at,
        received_at=at,
        payload={},
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        visibility="internal",
        is_test=state.is_test,
    )
    event.participant_id, event.participant_role = state.controlling_agent, "agent"
    events: list[StoredEvent] = []
    _append(events, event, state)
    timer = next_timer(state, policy)
    state.next_timer_at = None if timer is None else timer.at
    return events
