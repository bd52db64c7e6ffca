"""The state of a message after its creation: edits, deletion, reactions, receipts."""

import msgspec
from msgspec import Struct

from ingest.events import payloads
from ingest.events.stored_event import StoredEvent, decode_payload_as
from ingest.events.types import ReceiptStatus, rules_of

RECEIPT_RANKS: dict[ReceiptStatus, int] = {
    "unknown": 0,
    "submitted": 1,
    "failed": 2,
    "delivered": 3,
    "read": 4,
}
"""A receipt of a lower rank changes nothing. `failed` is final for its attempt."""


class ReceiptState(Struct, array_like=True):
    """The delivery state of a message for one recipient. Its rank never falls within an attempt."""

    status: ReceiptStatus
    at: int
    attempt: int = 1
    error_code: str | None = None


class Message(Struct, array_like=True):
    """What changed in a message after its creation."""

    conversation_id: str
    message_id: str
    text: str | None = None
    is_edited: bool = False
    is_deleted: bool = False
    version: int = 0
    reactions: dict[str, str] = {}
    receipts: dict[str, ReceiptState] = {}


decode_message = msgspec.msgpack.Decoder(Message).decode


def apply(message: Message, event: StoredEvent) -> None:
    """Project an event that refers to a message onto its state."""
    if (status := rules_of(event.event_type).receipt) is not None:
        _apply_receipt(message, event, status)
        return
    match event.event_type:
        case "message.edited" if not message.is_deleted:
            message.text, message.is_edited = event.text, True
        case "message.deleted":
            message.text, message.is_deleted = None, True
        case "message.reacted" if not message.is_deleted:
            _apply_reaction(message, event)
    message.version = event.sequence or 0


def _apply_reaction(message: Message, event: StoredEvent) -> None:
    payload = decode_payload_as(event, payloads.Reacted)
    participant_id = event.participant_id or ""
    if payload is not None and payload.reaction:
        message.reactions[participant_id] = payload.reaction
    else:
        message.reactions.pop(participant_id, None)


def _apply_receipt(message: Message, event: StoredEvent, status: ReceiptStatus) -> None:
    payload = decode_payload_as(event, payloads.Receipt) or payloads.Receipt()
    recipient = event.participant_id or ""
    current = message.receipts.get(recipient)
    if current is not None and not _supersedes(current, status, payload.attempt):
        return
    code = payload.error_code
    message.receipts[recipient] = ReceiptState(
        status, event.happened_at, payload.attempt, None if code is None else str(code)
    )


def _supersedes(current: ReceiptState, status: ReceiptStatus, attempt: int) -> bool:
    if attempt != current.attempt:
        return attempt > current.attempt
    return current.status != "failed" and RECEIPT_RANKS[status] > RECEIPT_RANKS[current.status]
