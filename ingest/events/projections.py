"""What an event does to the state of its conversation; pure, and the only place that changes one.

The same log always folds to the same state: no clock is read, no setting, no store.
"""

from typing import Any

import msgspec

from ingest.errors import EventRejectedError
from ingest.events import durations, handoff_state
from ingest.events.conversation_state import Conversation, Member
from ingest.events.draft import Participant, parse_conversation_fields
from ingest.events.stored_event import SYSTEM_SOURCE, StoredEvent, decode_payload

VERSIONED_TYPES = frozenset({"conversation.created", "conversation.updated", "conversation.state_changed",
                   "conversation.resolved", "conversation.reopened", "participant.joined",
                   "participant.updated", "participant.left"})  # fmt: skip
"""What gives a conversation a new `version`."""


def create(row: StoredEvent) -> Conversation:
    """The state that a `conversation.created` begins; `apply` the same row to it next.

    Raises EventRejectedError.
    """
    payload = decode_payload(row)
    try:
        given = msgspec.convert(payload.get("participants", []), list[Participant])
    except msgspec.ValidationError:
        raise EventRejectedError(
            "payload.participants is a list of {participant_id, participant_role, contact_id?, attributes?}",
            "$.payload.participants",
        ) from None
    return Conversation(
        conversation_id=row.conversation_id or "",
        created_position=row.position,
        created_at=row.happened_at,
        channel=row.channel or "",
        channel_account=row.channel_account,
        contact_id=row.contact_id,
        is_test=row.is_test,
        latest_at=row.happened_at,
        received_at=row.received_at,
        participants={
            each.participant_id: Member(
                each.participant_role, each.contact_id, each.attributes, joined_sequence=1
            )
            for each in given
        },
    )


def apply(state: Conversation, row: StoredEvent) -> None:
    """Fold one placed event into its conversation's state. The only place where one changes."""
    state.last_sequence = row.sequence or 0
    if row.event_type in VERSIONED_TYPES:
        state.version = state.last_sequence
        if row.source != SYSTEM_SOURCE and row.event_type.startswith("conversation."):
            state.last_edited_at = max(state.last_edited_at, row.happened_at)
    if row.source != SYSTEM_SOURCE:  # what happens by itself makes a conversation no younger
        state.latest_at = max(state.latest_at, row.happened_at)
        state.received_at = max(state.received_at, row.received_at)
        _meet(state, row)
    match row.event_type:
        case "message.created":
            _speak(state, row)
        case "session.started":
            payload = decode_payload(row)
            state.session_id = row.session_id
            state.session_number = payload["number"]
            state.session_started_at = row.happened_at
            state.session_attributes = payload.get("attributes", {})
        case "session.ended":
            state.session_id = None
        case "control.changed":
            handoff_state.apply_control_change(state, row)
        case "conversation.created" | "conversation.updated":
            _set(state, row)
            if row.source == SYSTEM_SOURCE:
                _link(state, row)
        case "conversation.resolved":
            _become(state, "resolved")
        case "conversation.reopened":
            _become(state, "active")
        case "conversation.state_changed":
            _become(state, decode_payload(row)["to"])
        case "participant.joined" | "participant.updated":
            _describe(state, row)
        case "participant.left":
            state.participants.pop(row.participant_id or "", None)
        case "participant.read_advanced":
            _read(state, row)
        case name if name.startswith("handoff."):
            handoff_state.apply_handoff(state, row)
    handoff_state.assign_initial_control(state)


def _meet(state: Conversation, row: StoredEvent) -> None:
    """Whoever does something is in the conversation; who is offered a handoff is not yet."""
    if row.participant_id is None or row.participant_role is None:
        return
    if row.event_type in handoff_state.ASSIGNMENT_TYPES:
        return
    member = state.participants.get(row.participant_id)
    if member is None:
        state.participants[row.participant_id] = Member(
            row.participant_role, row.contact_id, joined_sequence=state.last_sequence
        )
    else:
        member.participant_role = row.participant_role


def _speak(state: Conversation, row: StoredEvent) -> None:
    state.message_count += 1
    if row.visibility == "internal":
        return  # a note among colleagues is no communication
    role = row.participant_role or ""
    state.last_message_at[role] = max(state.last_message_at.get(role, 0), row.happened_at)
    if role == "customer" or state.state == "inactive":
        _become(state, "active")


def _become(state: Conversation, to: str) -> None:
    """Resolved is undone by the customer's next message; closed is final."""
    if state.state != "closed":
        state.state = to


def _set(state: Conversation, row: StoredEvent) -> None:
    try:
        given = parse_conversation_fields(decode_payload(row))
    except EventRejectedError:  # a log of an earlier version took any payload
        return
    for name in ("conversation_key", "subject", "labels", "priority", "hand_off_on_bot_failure"):
        if (value := getattr(given, name)) is not None:
            setattr(state, name, value)
    for name in ("attributes", "session_attributes"):
        if (patch := getattr(given, name)) is not None:
            setattr(state, name, merge_patch(getattr(state, name), patch))
    for name in ("inactive_after", "closed_after"):
        if (text := getattr(given, name)) is not None:
            setattr(state, name, durations.parse_iso(text) if text else None)


def _link(state: Conversation, row: StoredEvent) -> None:
    """A closed conversation and its successor know of each other; nobody else may say so."""
    payload = decode_payload(row)
    state.successor_id = payload.get("successor_id", state.successor_id)
    state.predecessor_id = payload.get("predecessor_id", state.predecessor_id)


def merge_patch(values: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """`values` with `patch` over it; null takes a value away (RFC 7396, one level deep)."""
    both = {**values, **patch}
    return {name: value for name, value in both.items() if value is not None}


def _describe(state: Conversation, row: StoredEvent) -> None:
    member = state.participants.get(row.participant_id or "")
    if member is None:
        return
    payload = decode_payload(row)
    attributes = payload.get("attributes")
    if isinstance(attributes, dict):
        member.attributes = merge_patch(member.attributes, attributes)
    if isinstance(unread := payload.get("unread_sequence"), int):
        member.unread_sequence = unread
    member.contact_id = row.contact_id or member.contact_id


def _read(state: Conversation, row: StoredEvent) -> None:
    member = state.participants.get(row.participant_id or "")
    if member is None:
        return
    until = decode_payload(row).get("sequence")
    if not isinstance(until, int):
        return
    member.read_sequence = max(member.read_sequence, min(until, state.last_sequence))
    if member.unread_sequence is not None and until >= member.unread_sequence:
        member.unread_sequence = None
