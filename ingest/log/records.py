"""What the store keeps of events besides the events: for the answers to repeats, and for the accounts."""

import msgspec

MessageKey = tuple[str, str]
"""conversation_id and message_id."""


class KnownEvent(msgspec.Struct):
    """What is kept of an event for the answer to a second delivery of it."""

    conversation_id: str | None
    sequence: int | None
    session_id: str | None
    message_id: str | None
    received_at: int
    fingerprint: bytes


class IngestCounters(msgspec.Struct):
    """How many events came, what became of them, and how many the server added."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    generated: int = 0
    parked: int = 0


class RejectedEvent(msgspec.Struct):
    """An event that was refused, as it is kept."""

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
    """An event that waits for its message, in the order of the table's columns but the first."""

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
        """The message it speaks of."""
        return self.conversation_id, self.message_id
