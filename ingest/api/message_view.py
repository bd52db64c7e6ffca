"""Messages as the API shows them."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from ingest.contract import from_micros
from ingest.events.message_state import Message


class ReceiptView(BaseModel):
    """The delivery state of a message for one recipient. Null: the channel named no recipient."""

    participant_id: str | None
    status: str = Field(description="unknown, submitted, delivered, read or failed")
    attempt: int
    at: datetime
    error_code: str | None


class ReactionView(BaseModel):
    """The reaction of a participant."""

    participant_id: str
    reaction: str


class MessageView(BaseModel):
    """A message in its current state; `sequence` is its place in the conversation."""

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
    """A place in the conversation that this view does not show."""

    sequence: int
    withheld: Literal[True] = True


def to_message_view(row: RowMapping, state: Message | None) -> MessageView:
    """Build the view of a message row and its later changes."""
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


def is_withheld(row: RowMapping, view: str) -> bool:
    """Return whether `view` must not show this row."""
    return view == "customer" and row["visibility"] == "internal"


def _instants(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if values.get(name) is not None:
            values[name] = from_micros(values[name])
    if values.get("payload") is not None:
        values["payload"] = msgspec.json.decode(values["payload"])
    return values
