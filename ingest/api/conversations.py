"""Conversations as they stand, for people and bots that ask for them."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from ingest.api.arrivals import NewConversation, read_conversation, take_one
from ingest.api.cursors import from_cursor, to_cursor
from ingest.api.describe import described, problems
from ingest.api.hot import HotRoute
from ingest.api.scopes import Caller
from ingest.api.state import Api, ApiState, KnowingPeople, Reading, caller_of, reads
from ingest.contract import from_micros
from ingest.errors import (
    ConversationExistsError,
    InvalidRequestError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
    UnknownContactError,
    UnknownConversationError,
)
from ingest.log import durations, reader
from ingest.log.state import Contact, Conversation
from ingest.log.submission import Acknowledgement

READ_ERRORS = (
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    UnknownConversationError,
    InvalidRequestError,
)

router = APIRouter(prefix="/v1", responses=problems(READ_ERRORS), dependencies=[Depends(reads)])
commands = APIRouter(prefix="/v1", route_class=HotRoute)

Limit = Annotated[int, Query(ge=1, le=100, description="items a page")]
Cursor = Annotated[str | None, Query(max_length=64, description="`cursor` of the page before")]


class ParticipantView(BaseModel):
    """Somebody in a conversation."""

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
    """Who may speak for us; a bot's message carries the epoch."""

    owner: str = Field(description="bot, human or none")
    participant_id: str | None
    epoch: int


class HandoffView(BaseModel):
    """The handoff under way."""

    handoff_id: str
    status: str = Field(description="requested, queued, assigned or accepted")
    reason: str | None
    queue: str | None
    participant_id: str | None = Field(description="the agent that it is offered to, or has it")
    requested_at: datetime
    since: datetime


class ConversationView(BaseModel):
    """A conversation as it stands."""

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
    version: int = Field(description="the ETag; grows when somebody changes the conversation")
    created_at: datetime
    latest_at: datetime = Field(description="when the latest event happened")
    last_sequence: int
    message_count: int
    session_id: str | None = Field(description="the open session, if one is open")
    session_attributes: dict[str, Any]
    participants: list[ParticipantView]
    control: ControlView
    handoff: HandoffView | None
    inactive_after: str | None = Field(description="ISO 8601; null is this installation's")
    closed_after: str | None = Field(description="ISO 8601; null is this installation's")
    hand_off_on_bot_failure: bool
    predecessor_id: str | None = Field(description="the closed conversation that this continues")
    successor_id: str | None


class ConversationPage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[ConversationView]
    cursor: str | None
    has_more: bool


class ParticipantList(BaseModel):
    """Everybody in a conversation."""

    items: list[ParticipantView]


class AddressView(BaseModel):
    """How a contact is reached."""

    channel: str
    address: str


class ContactView(BaseModel):
    """A person behind customers."""

    contact_id: str
    attributes: dict[str, Any]
    addresses: list[AddressView]
    merged_into: str | None
    version: int = Field(description="the ETag")


@commands.post(
    "/conversations",
    summary="Open a conversation",
    tags=["conversations"],
    openapi_extra=described(
        NewConversation,
        Acknowledgement,
        errors=(ConversationExistsError,),
        example={
            "channel": "web",
            "participants": [
                {"participant_id": "ada", "participant_role": "customer"},
                {"participant_id": "helper", "participant_role": "bot"},
            ],
        },
    ),
)
async def create_conversation(request: Request) -> Response:
    """Open a conversation with its participants. 201 says that it is on disk."""
    source = caller_of(request).source
    return await take_one(request, partial(read_conversation, source, request.app.state.new_id))


@router.get("/conversations", tags=["conversations"])
def list_conversations(
    api: Api,
    caller: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    channel: str | None = None,
    conversation_key: Annotated[str | None, Query(max_length=128)] = None,
    contact_id: Annotated[str | None, Query(max_length=128)] = None,
) -> ConversationPage:
    """Conversations, the newest first; by your own key, or of one contact, if you name it."""
    found = reader.list_conversations(
        api.reader,
        limit + 1,
        from_cursor(cursor),
        {"channel": channel, "conversation_key": conversation_key, "contact_id": contact_id},
        caller.channels,
    )
    page = found[:limit]
    more = len(found) > limit
    return ConversationPage(
        items=[view(each) for each in page],
        cursor=to_cursor(page[-1].created_position) if more else None,
        has_more=more,
    )


@router.get("/conversations/{conversation_id}", tags=["conversations"])
def get_conversation(
    api: Api, caller: Reading, conversation_id: str, response: Response
) -> ConversationView:
    """A conversation as it stands, with its ETag."""
    state = existing(api, conversation_id, caller)
    response.headers["etag"] = f'"{state.version}"'
    return view(state)


@router.get("/conversations/{conversation_id}/participants", tags=["participants"])
def list_participants(api: Api, caller: Reading, conversation_id: str) -> ParticipantList:
    """Everybody in a conversation, with how much each has not read."""
    state = existing(api, conversation_id, caller)
    people = participants(state)
    for each in people:
        member = state.participants[each.participant_id]
        horizon = member.read_sequence
        if member.unread_sequence is not None:
            horizon = min(horizon, max(0, member.unread_sequence - 1))
        each.unread_count = reader.count_unread(
            api.reader, conversation_id, each.participant_id, horizon, each.participant_role
        )
    return ParticipantList(items=people)


@router.get("/contacts/{contact_id}", tags=["contacts"], responses=problems((UnknownContactError,)))
def get_contact(
    api: Api, _caller: KnowingPeople, contact_id: str, response: Response
) -> ContactView:
    """What is known of a contact, with its ETag."""
    found = reader.get_contact(api.reader, contact_id)
    if found is None:
        raise UnknownContactError("there is no contact with this id", "contact_id")
    response.headers["etag"] = f'"{found.version}"'
    return _contact(found)


def _contact(contact: Contact) -> ContactView:
    addresses = [_full(each) for each in contact.addresses]
    return ContactView.model_validate(_full(contact) | {"addresses": addresses})


def existing(api: ApiState, conversation_id: str, caller: Caller) -> Conversation:
    """The conversation, if the caller may know of it. Raises UnknownConversationError."""
    found = reader.get_conversation(api.reader, conversation_id)
    if found is None or (caller.channels and found.channel not in caller.channels):
        raise UnknownConversationError("there is no conversation with this id", "conversation_id")
    return found


def view(state: Conversation) -> ConversationView:
    """A conversation as the API shows it."""
    values = _full(state)
    for name in ("created_at", "latest_at"):
        values[name] = from_micros(values[name])
    for name in ("inactive_after", "closed_after"):
        values[name] = None if values[name] is None else durations.to_iso(values[name])
    values["participants"] = participants(state)
    values["control"] = ControlView.model_validate(_full(state.control))
    if state.handoff is not None:
        handoff = _full(state.handoff)
        times = {name: from_micros(handoff[name]) for name in ("requested_at", "since")}
        values["handoff"] = HandoffView.model_validate(handoff | times)
    return ConversationView.model_validate(values)


def participants(state: Conversation) -> list[ParticipantView]:
    """Everybody in it, as the API shows them."""
    return [
        ParticipantView.model_validate({"participant_id": key, **_full(member)})
        for key, member in state.participants.items()
    ]


def _full(value: msgspec.Struct) -> dict[str, Any]:
    """Every field, also those that have their default."""
    return msgspec.structs.asdict(value)
