"""Messages and events of a conversation, in order, for those who may see them."""

import time
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.api.conversations import READ_ERRORS, Cursor, Limit, existing
from ingest.api.cursors import from_cursor, to_cursor
from ingest.api.describe import problems
from ingest.api.state import Api, Following, View, follows
from ingest.contract import from_micros
from ingest.delivery.shown import list_shown
from ingest.errors import UnknownMessageError
from ingest.log import reader
from ingest.log.state import Message

router = APIRouter(prefix="/v1", responses=problems(READ_ERRORS), dependencies=[Depends(follows)])

Order = Annotated[Literal["asc", "desc"], Query(description="oldest or newest first")]
After = Annotated[int | None, Query(ge=0, lt=2**63, description="only what comes after it")]
Before = Annotated[int | None, Query(ge=0, lt=2**63, description="only what comes before it")]
Wait = Annotated[
    int,
    Query(
        ge=0, le=30, description="so many seconds the answer waits for an event, if none is there"
    ),
]


class ReceiptView(BaseModel):
    """What became of a message for one recipient; null is a channel that names none."""

    participant_id: str | None
    status: str = Field(description="submitted, delivered, read or failed")
    attempt: int
    at: datetime
    error_code: str | None


class ReactionView(BaseModel):
    """How somebody reacted."""

    participant_id: str
    reaction: str


class MessageView(BaseModel):
    """A message, in the place that `sequence` gives it, as it reads now."""

    conversation_id: str
    sequence: int
    session_id: str | None
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
    is_edited: bool = False
    is_deleted: bool = False
    reactions: list[ReactionView] = []
    receipts: list[ReceiptView] = []
    version: int = Field(0, description="the ETag; grows when the message is changed")
    occurred_at: datetime | None
    received_at: datetime
    happened_at: datetime


class Withheld(BaseModel):
    """Something is in this place that this view does not show."""

    sequence: int
    withheld: Literal[True] = True


class MessagePage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[MessageView | Withheld]
    cursor: str | None
    has_more: bool


class EventPage(BaseModel):
    """A page of events with their columns; what is withheld keeps its place."""

    items: list[dict[str, Any]]
    cursor: str | None
    has_more: bool


@router.get("/conversations/{conversation_id}/messages", tags=["messages"])
def list_messages(
    api: Api,
    caller: Following,
    conversation_id: str,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = "asc",
    after_sequence: After = None,
    before_sequence: Before = None,
    *,
    view: View,
) -> MessagePage:
    """Messages of a conversation, in order, as they read now."""
    existing(api, conversation_id, caller)
    span = _span(order, from_cursor(cursor), after_sequence, before_sequence)
    found = reader.list_messages(api.reader, conversation_id, limit + 1, span)
    page = found[:limit]
    more = len(found) > limit
    states = reader.find_messages(api.reader, conversation_id, [row["message_id"] for row in page])
    return MessagePage(
        items=[
            Withheld(sequence=row["sequence"])
            if _is_withheld(row, view)
            else _message(row, states.get(row["message_id"]))
            for row in page
        ],
        cursor=to_cursor(page[-1]["sequence"]) if more else None,
        has_more=more,
    )


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}",
    tags=["messages"],
    responses=problems((UnknownMessageError,)),
)
def get_message(
    api: Api,
    caller: Following,
    conversation_id: str,
    message_id: str,
    response: Response,
    view: View,
) -> MessageView:
    """A message as it reads now, with what became of it for each recipient."""
    existing(api, conversation_id, caller)
    row = reader.get_message(api.reader, conversation_id, message_id)
    if row is None or _is_withheld(row, view):
        raise UnknownMessageError("there is no such message in this conversation", "message_id")
    states = reader.find_messages(api.reader, conversation_id, [message_id])
    shown = _message(row, states.get(message_id))
    response.headers["etag"] = f'"{shown.version}"'
    return shown


@router.get("/conversations/{conversation_id}/events", tags=["events"])
async def list_events(
    api: Api,
    caller: Following,
    conversation_id: str,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Order = "asc",
    after_sequence: After = None,
    before_sequence: Before = None,
    *,
    view: View,
    wait: Wait = 0,
) -> EventPage:
    """Every durable event of a conversation, in order and without a hole.

    With `wait` an empty page is not answered at once: as soon as something comes, or when the
    seconds are over.
    """
    span = _span(order, from_cursor(cursor), after_sequence, before_sequence)

    def read() -> list[dict[str, Any]]:
        existing(api, conversation_id, caller)
        return list_shown(api.reader, conversation_id, limit + 1, span, view)

    with api.hub.listening(conversation_id) as listener:
        until = time.monotonic() + wait
        listener.begin()
        found = await run_in_threadpool(read)
        while not found and (left := until - time.monotonic()) > 0:
            await listener.take(left)
            listener.begin()
            found = await run_in_threadpool(read)
    more = len(found) > limit
    return EventPage(
        items=found[:limit],
        cursor=to_cursor(found[limit - 1]["sequence"]) if more else None,
        has_more=more,
    )


def _span(order: str, cursor: int | None, after: int | None, before: int | None) -> reader.Span:
    is_newest_first = order == "desc"
    if cursor is not None and is_newest_first:
        before = cursor if before is None else min(cursor, before)
    elif cursor is not None:
        after = cursor if after is None else max(cursor, after)
    return reader.Span(after or 0, before, is_newest_first)


def _message(row: RowMapping, state: Message | None) -> MessageView:
    values = _instants(dict(row), ("occurred_at", "received_at", "happened_at"))
    if state is None:
        return MessageView.model_validate(values)
    if state.is_edited:
        values["text"] = state.text
    if state.is_deleted:
        values["text"] = values["payload"] = None
    values |= {
        "is_edited": state.is_edited,
        "is_deleted": state.is_deleted,
        "version": state.version,
        "reactions": [
            {"participant_id": who, "reaction": what} for who, what in state.reactions.items()
        ],
        "receipts": [
            {
                "participant_id": who or None,
                "status": each.status,
                "attempt": each.attempt,
                "at": from_micros(each.at),
                "error_code": each.error_code,
            }
            for who, each in state.receipts.items()
        ],
    }
    return MessageView.model_validate(values)


def _is_withheld(row: RowMapping, view: str) -> bool:
    return view == "customer" and row["visibility"] == "internal"


def _instants(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if values.get(name) is not None:
            values[name] = from_micros(values[name])
    if values.get("payload") is not None:
        values["payload"] = msgspec.json.decode(values["payload"])
    return values
