"""Projects an event onto the state of its conversation. Pure, and the only code that changes a state.

The same log always gives the same state: no clock, no setting, no store.
"""

from typing import Any

from ingest.events import durations, handoff_state, payloads
from ingest.events.conversation_state import MAX_LEFT_READERS, Conversation, Member
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, decode_payload, decode_payload_as
from ingest.events.types import EventType, rules_of


def create(event: StoredEvent) -> Conversation:
    """Return the state that a `conversation.created` starts; `apply` the same event to it next."""
    payload = decode_payload_as(event, payloads.ConversationCreated)
    participants = [] if payload is None else payload.participants
    return Conversation(
        conversation_id=event.conversation_id or "",
        created_position=event.position,
        created_at=event.happened_at,
        channel=event.channel or "",
        channel_account=event.channel_account,
        contact_id=event.contact_id,
        is_test=event.is_test,
        latest_at=event.happened_at,
        received_at=event.received_at,
        participants={
            each.participant_id: Member(
                each.participant_role, each.contact_id, each.attributes, joined_sequence=1
            )
            for each in participants
        },
    )


def apply(state: Conversation, event: StoredEvent) -> None:
    """Project one event that has its sequence onto its conversation."""
    rules = rules_of(event.event_type)
    is_system = event.source == SYSTEM_SOURCE
    state.last_sequence = event.sequence or 0
    if rules.is_version:
        state.version = state.last_sequence
        if not is_system and rules.about == "conversation":
            state.last_edited_at = max(state.last_edited_at, event.happened_at)
    if not is_system:  # events of the server do not make a conversation more recent
        if event.happened_at > state.latest_at:  # faster than max, for each event
            state.latest_at = event.happened_at
        if event.received_at > state.received_at:
            state.received_at = event.received_at
        _add_member(state, event, rules)
        _set_contact(state, event)
        if handoff_state.has_control(event, state):
            state.agent_disconnected_at = None
    if rules.handoff is not None:
        handoff_state.apply_handoff(state, event)
    else:
        _apply(state, event)
    handoff_state.assign_initial_control(state, event)


def _apply(state: Conversation, event: StoredEvent) -> None:
    match event.event_type:
        case "message.created":
            _apply_message(state, event)
        case "session.started":
            _start_session(state, event)
        case "session.ended":
            state.session_id = None
        case "control.changed":
            handoff_state.apply_control_change(state, event)
            state.agent_disconnected_at = None
        case "conversation.created" | "conversation.updated":
            _set_fields(state, event)
            if event.source == SYSTEM_SOURCE:
                _link(state, event)
        case "conversation.resolved":
            _set_state(state, "resolved")
        case "conversation.reopened":
            _set_state(state, "active")
        case "conversation.state_changed":
            changed = decode_payload_as(event, payloads.StateChanged)
            if changed is not None:
                _set_state(state, changed.to)
        case "participant.joined" | "participant.updated":
            _describe_member(state, event)
        case "participant.left":
            _remove_member(state, event.participant_id or "")
        case "participant.disconnected" if handoff_state.has_control(event, state):
            state.agent_disconnected_at = event.happened_at
        case "participant.connected" if handoff_state.has_control(event, state):
            state.agent_disconnected_at = None
        case "participant.read_advanced":
            _advance_read(state, event)


def _add_member(state: Conversation, event: StoredEvent, rules: EventType) -> None:
    """Add a participant who acts; a role never changes. An agent who is only offered a handoff does not join."""
    if event.participant_id is None or event.participant_role is None:
        return
    if rules.handoff is not None and not rules.handoff.joins:
        return
    if event.participant_id not in state.participants:
        member = Member(
            event.participant_role, event.contact_id, joined_sequence=state.last_sequence
        )
        before = state.left_readers.pop(event.participant_id, None)
        if before is not None:
            member.read_sequence, member.unread_sequence = (
                before.read_sequence,
                before.unread_sequence,
            )
        state.participants[event.participant_id] = member


def _remove_member(state: Conversation, participant_id: str) -> None:
    """Remove a participant who leaves, but not how far they have read."""
    member = state.participants.pop(participant_id, None)
    if member is None or member.read_sequence == 0:
        return
    state.left_readers[participant_id] = Member(
        member.participant_role,
        read_sequence=member.read_sequence,
        unread_sequence=member.unread_sequence,
    )
    if len(state.left_readers) > MAX_LEFT_READERS:
        del state.left_readers[next(iter(state.left_readers))]


def _set_contact(state: Conversation, event: StoredEvent) -> None:
    """Set the customer's contact: the last one of the creation or of a customer's event."""
    is_customer = event.participant_role == "customer"
    if event.contact_id is not None and (is_customer or event.event_type == "conversation.created"):
        state.contact_id = event.contact_id


def _apply_message(state: Conversation, event: StoredEvent) -> None:
    if event.visibility == "internal":
        return  # an internal note is no communication with the customer
    if state.is_test or not event.is_test:
        state.message_count += 1
    role = event.participant_role or ""
    state.last_message_at[role] = max(state.last_message_at.get(role, 0), event.happened_at)
    if role == "customer":
        state.customer_channel, state.customer_channel_account = (
            event.channel,
            event.channel_account,
        )
    if role == "customer" or (state.state == "inactive" and role != "system"):
        _set_state(state, "active")


def _start_session(state: Conversation, event: StoredEvent) -> None:
    payload = decode_payload_as(event, payloads.SessionStarted)
    if payload is None:
        return
    state.session_id = event.session_id
    state.session_number = payload.number
    state.session_started_at = event.happened_at
    state.session_attributes = payload.attributes


def _set_state(state: Conversation, to: str) -> None:
    """Set the state. Closed is final."""
    if state.state != "closed":
        state.state = to


def _set_fields(state: Conversation, event: StoredEvent) -> None:
    fields = decode_payload_as(event, payloads.ConversationFields)
    if fields is None:
        return
    for name in ("conversation_key", "subject", "labels", "priority", "hand_off_on_bot_failure"):
        if (value := getattr(fields, name)) is not None:
            setattr(state, name, value)
    for name in ("attributes", "session_attributes"):
        if (patch := getattr(fields, name)) is not None:
            setattr(state, name, merge_patch(getattr(state, name), patch))
    for name in ("inactive_after", "closed_after"):
        if (text := getattr(fields, name)) is not None:
            setattr(state, name, durations.parse_iso(text) if text else None)


def _link(state: Conversation, event: StoredEvent) -> None:
    """Link a closed conversation and its successor. Only the server writes these fields."""
    payload = decode_payload(event)
    state.successor_id = payload.get("successor_id", state.successor_id)
    state.predecessor_id = payload.get("predecessor_id", state.predecessor_id)


def merge_patch(values: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with `patch` merged in; null removes a value (RFC 7396, one level deep)."""
    return {name: value for name, value in {**values, **patch}.items() if value is not None}


def _describe_member(state: Conversation, event: StoredEvent) -> None:
    member = state.participants.get(event.participant_id or "")
    if member is None:
        return
    member.contact_id = event.contact_id or member.contact_id
    payload = decode_payload_as(event, payloads.ParticipantDescribed)
    if payload is None:
        return
    if payload.attributes is not None:
        member.attributes = merge_patch(member.attributes, payload.attributes)
    if payload.unread_sequence is not None:
        member.unread_sequence = payload.unread_sequence


def _advance_read(state: Conversation, event: StoredEvent) -> None:
    member = state.participants.get(event.participant_id or "")
    payload = decode_payload_as(event, payloads.ReadAdvanced)
    if member is None or payload is None:
        return
    until = payload.sequence
    member.read_sequence = max(member.read_sequence, min(until, state.last_sequence))
    if member.unread_sequence is not None and until >= member.unread_sequence:
        member.unread_sequence = None
