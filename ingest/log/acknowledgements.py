"""Builds the acknowledgement of an event."""

from functools import lru_cache

import msgspec

from ingest.contract import from_micros
from ingest.errors import EventConflictError, IngestError
from ingest.events.stored_event import StoredEvent
from ingest.log.records import KnownEvent, ParkedEvent
from ingest.log.writer_requests import Acknowledgement, Status

_instant = lru_cache(maxsize=256)(from_micros)
"""All events of a request have the same time."""


def duplicate_or_conflict(event: StoredEvent, known: KnownEvent | StoredEvent) -> Acknowledgement:
    """Acknowledge a second delivery of a stored event."""
    if known.fingerprint == event.fingerprint:
        return acknowledge("duplicate", event.event_id, known)
    return _conflict(event)


def duplicate_or_conflict_of_parked(event: StoredEvent, parked: ParkedEvent) -> Acknowledgement:
    """Acknowledge a second delivery of a parked event."""
    if parked.fingerprint != event.fingerprint:
        return _conflict(event)
    return msgspec.structs.replace(acknowledge_parked(parked), status="duplicate")


def acknowledge_parked(parked: ParkedEvent) -> Acknowledgement:
    """Acknowledge an event that waits for its message."""
    return Acknowledgement(
        status="parked",
        event_id=parked.event_id,
        conversation_id=parked.conversation_id,
        message_id=parked.message_id,
        received_at=from_micros(parked.received_at),
    )


def acknowledge(status: Status, event_id: str, known: KnownEvent | StoredEvent) -> Acknowledgement:
    """Acknowledge a stored event with its place."""
    return Acknowledgement(
        status=status,
        event_id=event_id,
        conversation_id=known.conversation_id,
        sequence=known.sequence,
        session_id=known.session_id,
        message_id=known.message_id,
        received_at=_instant(known.received_at),
    )


def reject(event_id: str | None, error: IngestError | None) -> Acknowledgement:
    """Acknowledge a rejected event."""
    if error is not None:  # its traceback would keep every event of the commit in memory
        error.__traceback__ = error.__context__ = None
    return Acknowledgement(status="rejected", event_id=event_id, error=error)


def _conflict(event: StoredEvent) -> Acknowledgement:
    error = EventConflictError(
        "an event with this id and other content is stored already", "$.event_id"
    )
    return Acknowledgement(status="conflict", event_id=event.event_id, error=error)
