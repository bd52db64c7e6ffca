"""The state of a message after its creation: edits, deletion, reactions, receipts."""

from typing import Any

import msgspec
from msgspec import Struct

from ingest.events.stored_event import StoredEvent, decode_payload

RECEIPT_STATUSES = {
    "message.submitted": "submitted",
    "message.delivered": "delivered",
    "message.read": "read",
    "message.failed": "failed",
}


REFERRING_TYPES = frozenset(
    {"message.edited", "message.deleted", "message.reacted", *RECEIPT_STATUSES}
)
"""Types that speak of a message; they wait if they come before it."""


RECEIPT_RANKS = {"submitted": 1, "failed": 2, "delivered": 3, "read": 4}
"""A receipt of a lower rank is logged and changes nothing. Failed is final for its attempt."""


class Receipt(Struct, array_like=True):
    """What became of a message for one recipient; `status` never falls within an attempt."""

    status: str
    at: int
    attempt: int = 1
    error_code: str | None = None


class Message(Struct, array_like=True):
    """What became of a message after it was created."""

    conversation_id: str
    message_id: str
    text: str | None = None
    is_edited: bool = False
    is_deleted: bool = False
    version: int = 0
    reactions: dict[str, str] = {}
    receipts: dict[str, Receipt] = {}


decode_message = msgspec.msgpack.Decoder(Message).decode


def apply(message: Message, row: StoredEvent) -> None:
    """Fold an event that speaks of a message into what became of it."""
    if row.event_type in RECEIPT_STATUSES:
        _receive(message, row)
        return
    match row.event_type:
        case "message.edited" if not message.is_deleted:
            message.text, message.is_edited = row.text, True
        case "message.deleted":
            message.text, message.is_deleted = None, True
        case "message.reacted":
            _react(message, row)
    message.version = row.sequence or 0


def _react(message: Message, row: StoredEvent) -> None:
    reaction = decode_payload(row).get("reaction")
    who = row.participant_id or ""
    if isinstance(reaction, str) and reaction:
        message.reactions[who] = reaction
    else:
        message.reactions.pop(who, None)


def _receive(message: Message, row: StoredEvent) -> None:
    payload = decode_payload(row)
    status, attempt = RECEIPT_STATUSES[row.event_type], _attempt(payload)
    before = message.receipts.get(recipient := row.participant_id or "")
    if before is not None and attempt < before.attempt:
        return
    if before is not None and attempt == before.attempt and not _rises(before.status, status):
        return
    code = payload.get("error_code")
    message.receipts[recipient] = Receipt(
        status, row.happened_at, attempt, None if code is None else str(code)
    )


def _rises(before: str, status: str) -> bool:
    return before != "failed" and RECEIPT_RANKS[status] > RECEIPT_RANKS[before]


def _attempt(payload: dict[str, Any]) -> int:
    attempt = payload.get("attempt")
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
