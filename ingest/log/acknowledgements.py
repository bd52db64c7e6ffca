"""What a client is told of each of its events, and what is kept of one that was refused."""

import msgspec

from ingest.contract import from_micros
from ingest.errors import EventConflictError, IngestError
from ingest.events.stored_event import StoredEvent
from ingest.log.records import KnownEvent, ParkedEvent, RejectedEvent
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent, Status

MAX_RAW_BYTES = 256 * 1024
"""So much of a refused body is kept: as much as an event may have."""


def duplicate_or_conflict(row: StoredEvent, known: KnownEvent) -> Acknowledgement:
    """The answer to a second delivery of what is stored."""
    if known.fingerprint == row.fingerprint:
        return acknowledge("duplicate", row.event_id, known)
    return _conflict(row)


def duplicate_or_conflict_of_parked(row: StoredEvent, parked: ParkedEvent) -> Acknowledgement:
    """The answer to a second delivery of what waits."""
    if parked.fingerprint != row.fingerprint:
        return _conflict(row)
    return msgspec.structs.replace(acknowledge_parked(parked), status="duplicate")


def acknowledge_parked(parked: ParkedEvent) -> Acknowledgement:
    """The answer to what waits for its message."""
    return Acknowledgement(
        status="parked",
        event_id=parked.event_id,
        conversation_id=parked.conversation_id,
        message_id=parked.message_id,
        received_at=from_micros(parked.received_at),
    )


def _conflict(row: StoredEvent) -> Acknowledgement:
    error = EventConflictError(
        "an event with this id and other content was accepted before; it stands", "$.event_id"
    )
    return Acknowledgement(status="conflict", event_id=row.event_id, error=error)


def acknowledge(status: Status, event_id: str, known: KnownEvent) -> Acknowledgement:
    """The answer that names where the event is."""
    return Acknowledgement(
        status=status,
        event_id=event_id,
        conversation_id=known.conversation_id,
        sequence=known.sequence,
        session_id=known.session_id,
        message_id=known.message_id,
        received_at=from_micros(known.received_at),
    )


def rejected_event(
    arrival: IncomingEvent, error: IngestError, submission: Append, received_at: int
) -> RejectedEvent:
    """What is kept of an event that was refused."""
    return RejectedEvent(
        received_at=received_at,
        source=submission.source,
        path=submission.path,
        code=error.code,
        detail=error.detail,
        field=error.field,
        size=len(arrival.raw),
        raw=arrival.raw[:MAX_RAW_BYTES],
        event_id=arrival.event_id or (None if arrival.draft is None else arrival.draft.event_id),
    )
