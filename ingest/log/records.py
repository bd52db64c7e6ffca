"""Rows that the store keeps in addition to events: for repeats, parked events and ingest stats."""

from typing import NamedTuple

import msgspec

MessageKey = tuple[str, str]
"""conversation_id and message_id."""


class CreatedMessage(NamedTuple):
    """What later events need of a message's creation."""

    visibility: str
    channel: str | None
    channel_account: str | None


class KnownEvent(msgspec.Struct):
    """What a second delivery of a stored event needs."""

    conversation_id: str | None
    sequence: int | None
    session_id: str | None
    message_id: str | None
    received_at: int
    fingerprint: bytes


class IngestCounters(msgspec.Struct):
    """Counters of one source: received events, their results, and events that the server generated."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    generated: int = 0
    parked: int = 0

    def count(self, status: str) -> None:
        """Count one acknowledgement by its status."""
        setattr(self, status, getattr(self, status) + 1)


class RejectedEvent(msgspec.Struct):
    """A rejected event, in the order of the table's columns."""

    received_at: int
    source: str
    path: str
    code: str
    detail: str
    field: str | None
    size: int
    raw: bytes
    event_id: str | None


class ParkedEvent(msgspec.Struct):
    """An event that waits for its message, in the order of the table's columns except the first."""

    source: str
    event_id: str
    fingerprint: bytes
    conversation_id: str
    message_id: str
    path: str
    received_at: int
    expires_at: int
    raw: bytes

    @property
    def message_key(self) -> MessageKey:
        """The message that it refers to."""
        return self.conversation_id, self.message_id
