"""Conversations and their messages, for people and bots that ask for them."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from ingest.api.arrivals import NewConversation, read_conversation, take_one
from ingest.api.cursors import from_cursor, to_cursor
from ingest.api.describe import described, problems
from ingest.api.hot import HotRoute
from ingest.api.state import ApiState, authorize, state_of
from ingest.contract import from_micros
from ingest.errors import InvalidRequestError, UnauthorizedError, UnknownConversationError
from ingest.log import reader
from ingest.log.folds import Conversation

READ_ERRORS = (UnauthorizedError, UnknownConversationError, InvalidRequestError)

router = APIRouter(prefix="/v1", responses=problems(READ_ERRORS), dependencies=[Depends(authorize)])
commands = APIRouter(prefix="/v1", route_class=HotRoute)


class ParticipantView(BaseModel):
    """Somebody in a conversation."""

    participant_id: str
    participant_role: str


class ConversationView(BaseModel):
    """A conversation as it stands."""

    conversation_id: str
    state: str = Field(description="active, inactive, resolved or closed")
    channel: str
    channel_account: str | None
    contact_id: str | None
    is_test: bool
    created_at: datetime
    latest_at: datetime = Field(description="when the latest event happened")
    last_sequence: int
    message_count: int
    session_id: str | None = Field(description="the open session, if one is open")
    participants: list[ParticipantView]


class MessageView(BaseModel):
    """A message, in the place that `sequence` gives it."""

    conversation_id: str
    sequence: int
    session_id: str
    message_id: str
    event_id: str
    participant_id: str
    participant_role: str
    channel: str | None
    in_reply_to: str | None
    bot_version: str | None
    visibility: str
    text: str | None
    payload: dict[str, Any] | None
    occurred_at: datetime | None
    received_at: datetime
    happened_at: datetime


class ConversationPage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[ConversationView]
    cursor: str | None
    has_more: bool


class MessagePage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[MessageView]
    cursor: str | None
    has_more: bool


Limit = Annotated[int, Query(ge=1, le=100, description="items a page")]
Cursor = Annotated[str | None, Query(max_length=64, description="`cursor` of the page before")]
Api = Annotated[ApiState, Depends(state_of)]


@commands.post(
    "/conversations",
    summary="Open a conversation",
    tags=["conversations"],
    openapi_extra=described(
        NewConversation,
        msgspec.defstruct(
            "Acknowledgement", [("event_id", str), ("conversation_id", str), ("sequence", int)]
        ),
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
    source = authorize(request)
    return await take_one(request, partial(read_conversation, source, request.app.state.new_id))


@router.get("/conversations", tags=["conversations"])
def list_conversations(
    api: Api, limit: Limit = 50, cursor: Cursor = None, channel: str | None = None
) -> ConversationPage:
    """Conversations, the newest first."""
    found = reader.list_conversations(api.reader, limit + 1, from_cursor(cursor), channel)
    page = found[:limit]
    more = len(found) > limit
    return ConversationPage(
        items=[_view(each) for each in page],
        cursor=to_cursor(page[-1].created_position) if more else None,
        has_more=more,
    )


@router.get("/conversations/{conversation_id}", tags=["conversations"])
def get_conversation(api: Api, conversation_id: str) -> ConversationView:
    """A conversation as it stands."""
    return _view(_existing(api, conversation_id))


@router.get("/conversations/{conversation_id}/messages", tags=["messages"])
def list_messages(
    api: Api, conversation_id: str, limit: Limit = 50, cursor: Cursor = None
) -> MessagePage:
    """Messages of a conversation, in order."""
    _existing(api, conversation_id)
    found = reader.list_messages(api.reader, conversation_id, limit + 1, from_cursor(cursor) or 0)
    page = found[:limit]
    more = len(found) > limit
    return MessagePage(
        items=[_message(row) for row in page],
        cursor=to_cursor(page[-1]["sequence"]) if more else None,
        has_more=more,
    )


def _existing(api: ApiState, conversation_id: str) -> Conversation:
    found = reader.get_conversation(api.reader, conversation_id)
    if found is None:
        raise UnknownConversationError("there is no conversation with this id", "conversation_id")
    return found


def _view(state: Conversation) -> ConversationView:
    values = msgspec.structs.asdict(state)
    values["created_at"] = from_micros(state.created_at)
    values["latest_at"] = from_micros(state.latest_at)
    values["participants"] = [
        ParticipantView(participant_id=key, participant_role=role)
        for key, role in state.participants.items()
    ]
    return ConversationView.model_validate(values)


def _message(row: RowMapping) -> MessageView:
    values = dict(row)
    for name in ("occurred_at", "received_at", "happened_at"):
        values[name] = None if values[name] is None else from_micros(values[name])
    values["payload"] = (
        None if values["payload"] is None else msgspec.json.decode(values["payload"])
    )
    return MessageView.model_validate(values)
