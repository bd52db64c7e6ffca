"""Conversations and participants as the API shows them."""

from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from ingest.contract import from_micros
from ingest.events import durations
from ingest.events.conversation_state import Conversation, Member

SHOWN_PARTICIPANTS = 100
"""Maximum number of participants in the view of a conversation."""


class ParticipantView(BaseModel):
    """A participant of a conversation."""

    participant_id: str
    participant_role: str
    contact_id: str | None = None
    attributes: dict[str, Any] = {}
    joined_sequence: int
    read_sequence: int = Field(description="everything up to here was read")
    unread_count: int | None = Field(
        None, description="messages of others above it; only where participants are listed"
    )


class ControlView(BaseModel):
    """The owner of control; a bot's message has its epoch."""

    owner: str = Field(description="bot, human or none")
    participant_id: str | None
    epoch: int


class HandoffView(BaseModel):
    """The open handoff."""

    handoff_id: str
    status: str = Field(description="requested, queued, assigned or accepted")
    reason: str | None
    queue: str | None
    participant_id: str | None = Field(description="the agent that it is offered to, or has it")
    requested_at: datetime
    since: datetime


class ConversationView(BaseModel):
    """A conversation in its current state."""

    conversation_id: str
    conversation_key: str | None = Field(description="your own name for it; unique")
    state: str = Field(description="active, inactive, resolved or closed")
    channel: str
    channel_account: str | None
    contact_id: str | None
    is_test: bool
    subject: str | None
    attributes: dict[str, Any]
    labels: list[str]
    priority: str
    version: int = Field(description="the ETag; grows when a client changes the conversation")
    created_at: datetime
    latest_at: datetime = Field(description="when the latest event happened")
    last_sequence: int
    message_count: int = Field(description="public messages; test messages only in a test")
    session_id: str | None = Field(description="the open session, if one is open")
    session_attributes: dict[str, Any]
    participant_count: int
    participants: list[ParticipantView] = Field(
        description=f"at most {SHOWN_PARTICIPANTS}; `GET …/participants` lists all"
    )
    control: ControlView
    handoff: HandoffView | None
    inactive_after: str | None = Field(description="ISO 8601; null is this installation's")
    closed_after: str | None = Field(description="ISO 8601; null is this installation's")
    hand_off_on_bot_failure: bool
    predecessor_id: str | None = Field(description="the closed conversation that this continues")
    successor_id: str | None


def to_conversation_view(state: Conversation) -> ConversationView:
    """Return a conversation as the API shows it."""
    values = struct_fields(state)
    for name in ("created_at", "latest_at"):
        values[name] = from_micros(values[name])
    for name in ("inactive_after", "closed_after"):
        values[name] = None if values[name] is None else durations.format_iso(values[name])
    values["participant_count"] = len(state.participants)
    values["participants"] = [
        to_participant_view(*each)
        for each in islice(state.participants.items(), SHOWN_PARTICIPANTS)
    ]
    values["control"] = to_control_view(state)
    if state.handoff is not None:
        handoff = struct_fields(state.handoff)
        times = {name: from_micros(handoff[name]) for name in ("requested_at", "since")}
        values["handoff"] = HandoffView.model_validate(handoff | times)
    return ConversationView.model_validate(values)


def to_participant_view(
    participant_id: str, member: Member, unread_count: int | None = None
) -> ParticipantView:
    """Return a participant as the API shows them."""
    fields = struct_fields(member) | {"unread_count": unread_count}
    return ParticipantView.model_validate({"participant_id": participant_id, **fields})


def for_customer(view: ParticipantView) -> ParticipantView:
    """Return what a customer sees of a participant: of the attributes the name only, and no contact."""
    names = {name: value for name, value in view.attributes.items() if name == "name"}
    return view.model_copy(update={"attributes": names, "contact_id": None})


def to_control_view(state: Conversation) -> ControlView:
    """Return who has control, as the API shows it."""
    return ControlView.model_validate(struct_fields(state.control))


def struct_fields(value: msgspec.Struct) -> dict[str, Any]:
    """Return every field, also fields with their default."""
    return msgspec.structs.asdict(value)
