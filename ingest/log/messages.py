"""What becomes of a message after it was created: edits, its end, reactions, receipts."""

from typing import Any

from ingest.log.rows import Row, payload_of
from ingest.log.state import Message, Receipt

RECEIPTS = {
    "message.submitted": "submitted",
    "message.delivered": "delivered",
    "message.read": "read",
    "message.failed": "failed",
}
REFERS = frozenset({"message.edited", "message.deleted", "message.reacted", *RECEIPTS})
"""Types that speak of a message; they wait if they come before it."""

RANK = {"submitted": 1, "failed": 2, "delivered": 3, "read": 4}
"""A receipt of a lower rank is logged and changes nothing. Failed is final for its attempt."""


def fold(message: Message, row: Row) -> None:
    """Fold an event that speaks of a message into what became of it."""
    if row.event_type in RECEIPTS:
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


def _react(message: Message, row: Row) -> None:
    reaction = payload_of(row).get("reaction")
    who = row.participant_id or ""
    if isinstance(reaction, str) and reaction:
        message.reactions[who] = reaction
    else:
        message.reactions.pop(who, None)


def _receive(message: Message, row: Row) -> None:
    payload = payload_of(row)
    status, attempt = RECEIPTS[row.event_type], _attempt(payload)
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
    return before != "failed" and RANK[status] > RANK[before]


def _attempt(payload: dict[str, Any]) -> int:
    attempt = payload.get("attempt")
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
