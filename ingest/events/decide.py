"""The decision at commit: whether the state allows an event, and which events result from it.

Pure: no clock and no store. Only `projections.apply` changes a state.
"""

from typing import Protocol

from ingest.errors import EventRejectedError
from ingest.events import command_rules, durations
from ingest.events.conversation_errors import ConversationExistsError
from ingest.events.conversation_state import MAX_PARTICIPANTS, Conversation
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
from ingest.events.types import EventType, rules_of


class MessageChannel(Protocol):
    """The channel of an earlier message."""

    @property
    def channel(self) -> str | None:
        """Its channel."""

    @property
    def channel_account(self) -> str | None:
        """The account on that channel."""


def decide(
    draft: Draft,
    event: StoredEvent,
    state: Conversation | None,
    policy: LifecyclePolicy,
    command: Command | None = None,
    replied_to: MessageChannel | None = None,
) -> tuple[list[StoredEvent], Conversation]:
    """Return the events that `draft` becomes, server events included, and the state after them.

    `event` is the draft's stored event as `from_draft` built it; this completes it. `state` is changed
    in place; its due timers have run. `replied_to` is the message that it replies to. Raises EventRejectedError or a subclass, and then changes nothing.
    """
    rules = rules_of(event.event_type)
    if state is None:
        event.contact_id = event.contact_id or _contact_of_customer(event)
        state = create(event)
    elif draft.event_type == "conversation.created":
        raise ConversationExistsError(
            "a conversation with this id exists already",
            "$.conversation_id",
            conversation_id=state.conversation_id,
        )
    if command is not None:
        command_rules.check_participant(event, state, rules, command)
    _complete_columns(event, state, rules, replied_to)
    if event.payload is not None and issubclass(rules.payload, ConversationFields):
        _check_durations(event)
    if command is not None:
        command_rules.check_command(event, state, rules, policy, command)
    is_stale = command_rules.is_stale(event, state, rules)
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


def _complete_columns(
    event: StoredEvent, state: Conversation, rules: EventType, replied_to: MessageChannel | None
) -> None:
    """Fill in the columns that the conversation knows: role, contact, channel, test."""
    if event.participant_id is not None:
        _complete_role(event, state, rules)
    _complete_channel(event, state, replied_to)
    event.is_test = event.is_test or state.is_test
    if event.event_type == "message.created" and event.message_id is None:
        event.message_id = event.event_id


def _complete_channel(
    event: StoredEvent, state: Conversation, replied_to: MessageChannel | None
) -> None:
    """Fill in the channel of the conversation; a reply has that of its message, or the customer's last one."""
    if event.event_type != "message.created" or event.participant_role == "customer":
        event.channel = event.channel or state.channel
        if event.channel_account is None and event.channel == state.channel:
            event.channel_account = state.channel_account
        return
    known = [(state.channel, state.channel_account)]
    if state.customer_channel is not None:
        known.insert(0, (state.customer_channel, state.customer_channel_account))
    if replied_to is not None and replied_to.channel is not None:
        known.insert(0, (replied_to.channel, replied_to.channel_account))
    event.channel = event.channel or known[0][0]
    if event.channel_account is None:
        accounts = (account for channel, account in known if channel == event.channel)
        event.channel_account = next(accounts, None)


def _complete_role(event: StoredEvent, state: Conversation, rules: EventType) -> None:
    member = state.participants.get(event.participant_id or "")
    if member is not None:
        event.participant_role = event.participant_role or member.participant_role
        event.contact_id = event.contact_id or member.contact_id
    elif len(state.participants) >= MAX_PARTICIPANTS:
        raise EventRejectedError(
            f"a conversation has at most {MAX_PARTICIPANTS} participants; open another one",
            "$.participant_id",
        )
    if event.participant_role is None and rules.names_agent:
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


def _record_previous_values(event: StoredEvent, state: Conversation) -> None:
    """Add the value before a change to the payload that names the value after it."""
    match event.event_type:
        case "conversation.state_changed" | "conversation.resolved" | "conversation.reopened":
            merge_payload(event, **{"from": state.state})
        case "conversation.updated":
            payload = decode_payload(event)
            names = [name for name in ConversationFields.__struct_fields__ if name in payload]
            merge_payload(event, before={name: getattr(state, name) for name in names})
