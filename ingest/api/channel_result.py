"""What the items of one call become: events, items that wait, and statements, all for one commit."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ClauseElement

from ingest.accounts.waiting_items import Waiting, WaitingItem
from ingest.channels import drafts
from ingest.channels.base import Item, ReceiptItem, WatermarkItem
from ingest.errors import EventRejectedError
from ingest.events.conversation_errors import UnknownMessageError
from ingest.events.draft import Draft
from ingest.log.storage.statements import Bound
from ingest.log.writer_requests import IncomingEvent


class TypingChange(Struct, frozen=True):
    """A participant started or stopped typing."""

    conversation_id: str
    participant_id: str
    is_typing: bool


class CallResult(Struct):
    """The events of a call. `waiting`: items that refer to a message which is not known yet."""

    events: list[IncomingEvent] = []
    waiting: list[WaitingItem] = []
    statements: list[ClauseElement | Bound] = []
    typing: list[TypingChange] = []

    def prepend(self, before: Iterable[Draft]) -> None:
        """Append the events that others need before them. Their ids say what they are: a repeat is a duplicate."""
        for draft in before:
            raw = msgspec.json.encode(draft)
            self.events.append(IncomingEvent(raw, draft, fingerprint=_fingerprint_of_id(draft)))

    def append(self, item: Item, draft: Draft) -> None:
        """Append the event of an item."""
        fingerprint = drafts.fingerprint_of(item)
        self.events.append(IncomingEvent(_raw(item), draft, fingerprint=fingerprint))

    def append_state(self, item: ReceiptItem | WatermarkItem, draft: Draft) -> None:
        """Append the event of a state that a message gets once, whatever the item that reports it."""
        fingerprint = _fingerprint_of_id(draft)
        self.events.append(IncomingEvent(_raw(item), draft, fingerprint=fingerprint))

    def event_ids(self) -> set[str]:
        """Return the ids of the events so far."""
        return {each.draft.event_id or "" for each in self.events if each.draft is not None}

    def reject(self, raw: bytes | Item, error: EventRejectedError) -> None:
        """Append an item as rejected, or the bytes that are none."""
        kept = raw if isinstance(raw, bytes) else _raw(raw)
        self.events.append(IncomingEvent(kept, error=error))


def expired(waiting: WaitingItem) -> IncomingEvent:
    """Return the rejected event of an item whose message did not arrive in time."""
    error = UnknownMessageError("its message did not arrive in time", "$.message")
    return IncomingEvent(_raw(waiting.item), error=error, event_id=waiting.item_id)


def wait(
    item: Waiting,
    account_id: str,
    call_id: str,
    provider_id: str,
    now: int,
    expires_at: int,
    check_at: int,
) -> WaitingItem:
    """Return an item as one that waits for the message that the provider knows by `provider_id`."""
    return WaitingItem(
        account_id=account_id,
        item_id=drafts.event_id_of(account_id, item),
        provider_id=provider_id,
        message_id=drafts.message_id_of(account_id, provider_id),
        call_id=call_id,
        item=item,
        received_at=now,
        expires_at=expires_at,
        check_at=check_at,
    )


def _fingerprint_of_id(draft: Draft) -> bytes:
    """Return the fingerprint of an event whose id says all that it is."""
    return blake2b((draft.event_id or "").encode(), digest_size=16).digest()


def _raw(item: Any) -> bytes:
    """Return an item as it is kept if it is rejected; nothing if it has what JSON cannot hold."""
    try:
        return msgspec.json.encode(item)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return b""
