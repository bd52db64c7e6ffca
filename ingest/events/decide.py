"""The decision at commit: whether the state allows an event, and which events result from it.

Pure: no clock and no store. Only `projections.apply` changes a state.
"""

from ingest.errors import (
    ConversationClosedError,
    ConversationExistsError,
    EventRejectedError,
    HandoffStateError,
    HookFailedError,
    StaleEpochError,
    UnknownParticipantError,
    VersionMismatchError,
)
from ingest.events import durations, handoff_state
from ingest.events.conversation_state import HUMAN, Conversation
from ingest.events.draft import Command, Draft
from ingest.events.effects import append_with_effects
from ingest.events.payloads import ConversationCreated, ConversationFields
from ingest.events.projections import create
from ingest.events.stored_event import (
    StoredEvent,
    decode_payload,
    decode_payload_as,
    merge_payload,
)
from ingest.events.timers import LifecyclePolicy, next_timer
from ingest.events.types import EventType, HandoffRule, rules_of

CHANGED_SINCE = "it changed; read it again, then send your change"


def decide(
    draft: Draft,
    event: StoredEvent,
    state: Conversation | None,
    policy: LifecyclePolicy,
    command: Command | None = None,
) -> tuple[list[StoredEvent], Conversation]:
    """Return the events that `draft` becomes, server events included, and the state after them.

    `event` is the draft's stored event as `from_draft` built it; this completes it. `state` is changed
    in place; its due timers have run. Raises EventRejectedError or a subclass, and then changes nothing.
    """
    rules = rules_of(event.event_type)
    if state is None:
        event.contact_id = event.contact_id or _contact_of_customer(event)
        state = create(event)
    elif draft.event_type == "conversation.created":
        raise ConversationExistsError(
            "a conversation with this id exists already", "$.conversation_id"
        )
    if command is not None:
        _check_participant(event, state, rules, command)
    _complete_columns(event, state, rules)
    if event.payload is not None and issubclass(rules.payload, ConversationFields):
        _check_durations(event)
    if command is not None:
        _check_command(event, state, rules, policy, command)
    is_stale = _is_stale(event, state, rules)
    if command is None and is_stale:
        merge_payload(event, was_stale=True)
    if rules.is_version:
        _record_previous_values(event, state)
    events = append_with_effects(event, state, policy, is_stale=is_stale)
    timer = next_timer(state, policy)
    state.next_timer_at = None if timer is None else timer.at
    return events, state


def _contact_of_customer(event: StoredEvent) -> str | None:
    """Return the contact of the first customer that a new conversation names."""
    payload = decode_payload_as(event, ConversationCreated)
    participants = [] if payload is None else payload.participants
    contacts = (each.contact_id for each in participants if each.participant_role == "customer")
    return next((each for each in contacts if each is not None), None)


def _complete_columns(event: StoredEvent, state: Conversation, rules: EventType) -> None:
    """Fill in the columns that the conversation knows: role, contact, channel, test."""
    if event.participant_id is not None:
        _complete_role(event, state, rules)
    event.channel = event.channel or state.channel
    event.channel_account = event.channel_account or state.channel_account
    event.is_test = event.is_test or state.is_test
    if event.event_type == "message.created" and event.message_id is None:
        event.message_id = event.event_id


def _complete_role(event: StoredEvent, state: Conversation, rules: EventType) -> None:
    member = state.participants.get(event.participant_id or "")
    if member is not None:
        event.participant_role = event.participant_role or member.participant_role
        event.contact_id = event.contact_id or member.contact_id
    if event.participant_role is None and rules.handoff is not None and rules.handoff.names_agent:
        event.participant_role = "agent"
    if event.participant_role is None:
        raise EventRejectedError(
            "this participant is not in the conversation; let it join, or give participant_role",
            "$.participant_id",
        )


def _check_durations(event: StoredEvent) -> None:
    fields = decode_payload_as(event, ConversationFields) or ConversationFields()
    for name in ("inactive_after", "closed_after"):
        if text := getattr(fields, name):
            durations.validate_duration(text, name)


def _check_command(
    event: StoredEvent,
    state: Conversation,
    rules: EventType,
    policy: LifecyclePolicy,
    command: Command,
) -> None:
    """Raise the reason why the state rejects a command."""
    if event.event_type == "message.created":
        _check_message(event, state, command)
        return
    if rules.is_version:
        _check_edit(state, rules, command)
    if event.event_type == "bot.turn_failed":
        _check_epoch(state, command)
    if event.event_type == "session.ended" and state.session_id is None:
        raise EventRejectedError("no session is open")
    if rules.handoff is not None:
        _check_handoff(event, state, rules.handoff, policy)


def _check_handoff(
    event: StoredEvent, state: Conversation, rule: HandoffRule, policy: LifecyclePolicy
) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed; it takes no handoff")
    if rule.names_agent and event.participant_id is None:
        raise EventRejectedError("name the agent", "$.participant_id")
    if rule.staff_only and event.participant_role in ("customer", "bot"):
        raise EventRejectedError(
            f"a {event.participant_role} cannot accept or transfer a handoff", "$.participant_id"
        )
    reason = handoff_state.rejection_reason(event, state)
    if reason is None and handoff_state.is_assigned_to_other(event, state):
        reason = "this handoff is assigned to another agent"
    if reason is not None:
        raise HandoffStateError(reason, "$.handoff_id")
    allowed = policy.handoff_reasons
    given = decode_payload(event).get("reason")
    if event.event_type == "handoff.requested" and allowed and given not in allowed:
        raise EventRejectedError(
            "not one of the reasons that this installation allows", "$.payload.reason"
        )


def _check_edit(state: Conversation, rules: EventType, command: Command) -> None:
    if command.version is not None and command.version != state.version:
        raise VersionMismatchError(CHANGED_SINCE)
    if state.state == "closed" and rules.about == "conversation":
        raise ConversationClosedError("this conversation is closed, and closed is final")


def _check_participant(
    event: StoredEvent, state: Conversation, rules: EventType, command: Command
) -> None:
    is_member = event.participant_id in state.participants
    if rules.requires_member and not is_member:
        raise UnknownParticipantError(
            "this participant is not in the conversation", "participant_id"
        )
    if command.skipped_hooks and is_member:
        raise HookFailedError(
            "the participant joined at the same moment, before hooks could run; send it again"
        )


def _check_message(event: StoredEvent, state: Conversation, command: Command) -> None:
    if state.state == "closed":
        raise ConversationClosedError(
            "this conversation is closed; a customer's message opens its successor"
        )
    if event.participant_role != "bot" or event.visibility == "internal":
        return
    if command.control_epoch is None:
        raise EventRejectedError(
            "a bot gives the control_epoch that it saw; the conversation has it", "$.control_epoch"
        )
    _check_epoch(state, command)


def _check_epoch(state: Conversation, command: Command) -> None:
    if state.control.owner == HUMAN or command.control_epoch != state.control.epoch:
        raise StaleEpochError(
            "control has changed; read the conversation before the bot sends again",
            "$.control_epoch",
        )


def _is_stale(event: StoredEvent, state: Conversation, rules: EventType) -> bool:
    """Return whether the state would reject this event as a command."""
    if state.state == "closed" and rules.about in ("conversation", "handoff"):
        return True
    if event.event_type == "message.created":
        is_bot_message = event.participant_role == "bot" and event.visibility == "public"
        return state.state == "closed" or (is_bot_message and state.control.owner == HUMAN)
    is_step = rules.handoff is not None and event.event_type != "handoff.requested"
    return is_step and handoff_state.rejection_reason(event, state) is not None


def _record_previous_values(event: StoredEvent, state: Conversation) -> None:
    """Add the value before a change to the payload that names the value after it."""
    match event.event_type:
        case "conversation.state_changed" | "conversation.resolved" | "conversation.reopened":
            merge_payload(event, **{"from": state.state})
        case "conversation.updated":
            payload = decode_payload(event)
            names = [name for name in ConversationFields.__struct_fields__ if name in payload]
            merge_payload(event, before={name: getattr(state, name) for name in names})
