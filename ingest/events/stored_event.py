"""A stored event, and the events that the server writes itself."""

from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ingest.contract import derived_id, to_micros
from ingest.events.draft import Draft

SYSTEM_SOURCE = "convolake"
"""`source` of the events that the server writes itself."""

P = TypeVar("P", bound=Struct)


class StoredEvent(Struct, kw_only=True):
    """One event, in the order of `contract.COLUMNS`; instants in microseconds.

    The writer fills in `shard`, `position` and `committed_at`.
    """

    event_id: str
    event_type: str
    schema_version: int = 1
    shard: int = 0
    position: int = 0
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    participant_id: str | None = None
    participant_role: str | None = None
    contact_id: str | None = None
    channel: str | None = None
    channel_account: str | None = None
    message_id: str | None = None
    handoff_id: str | None = None
    in_reply_to: str | None = None
    caused_by: str | None = None
    bot_version: str | None = None
    queue: str | None = None
    visibility: str
    is_test: bool = False
    occurred_at: int | None = None
    received_at: int
    committed_at: int = 0
    happened_at: int
    text: str | None = None
    payload: str | None = None
    source: str
    fingerprint: bytes


_FINGERPRINT = msgspec.json.Encoder(order="deterministic")


def fingerprint_of(draft: Draft) -> bytes:
    """Return the hash of every field that the producer sent, in any order."""
    return blake2b(_FINGERPRINT.encode(draft), digest_size=16).digest()


def from_draft(
    draft: Draft, source: str, received_at: int, event_id: str, fingerprint: bytes | None = None
) -> StoredEvent:
    """Build the stored event of `draft` as far as intake knows it.

    Without a given `fingerprint`, it covers every field that the producer sent, in any order.
    """
    if fingerprint is None:
        fingerprint = fingerprint_of(draft)
    happened_at = received_at if draft.happened_at is None else to_micros(draft.happened_at)
    return StoredEvent(
        event_id=event_id,
        event_type=draft.event_type,
        schema_version=draft.schema_version,
        conversation_id=draft.conversation_id,
        participant_id=draft.participant_id,
        participant_role=draft.participant_role,
        contact_id=draft.contact_id,
        channel=draft.channel,
        channel_account=draft.channel_account,
        message_id=draft.message_id,
        handoff_id=draft.handoff_id,
        in_reply_to=draft.in_reply_to,
        caused_by=draft.caused_by,
        bot_version=draft.bot_version,
        queue=draft.queue,
        visibility="public",
        is_test=bool(draft.is_test),
        occurred_at=None if draft.occurred_at is None else to_micros(draft.occurred_at),
        received_at=received_at,
        happened_at=min(happened_at, received_at),
        text=draft.text,
        payload=None if draft.payload is None else to_json(draft.payload),
        source=source,
        fingerprint=fingerprint,
    )


def system_event(
    event_type: str,
    conversation_id: str,
    sequence: int,
    *,
    happened_at: int,
    received_at: int,
    payload: dict[str, Any],
    **columns: Any,
) -> StoredEvent:
    """Build an event that the server writes. Its id depends on type, conversation and `sequence` only."""
    return StoredEvent(
        event_id=derived_id(f"{event_type}/{conversation_id}/{sequence}"),
        event_type=event_type,
        conversation_id=conversation_id,
        sequence=sequence,
        participant_role="system",
        received_at=received_at,
        happened_at=min(happened_at, received_at),
        payload=to_json(payload),
        source=SYSTEM_SOURCE,
        fingerprint=b"",
        **columns,
    )


def decode_payload(event: StoredEvent) -> dict[str, Any]:
    """Return the payload as a dict, empty if there is none."""
    return {} if event.payload is None else _decode(event.payload)


def decode_payload_as(event: StoredEvent, kind: type[P]) -> P | None:
    """Return the payload as the struct of its event type, or None if it does not fit.

    Only an event that a version before 0.2 accepted can fail to fit; it then changes no state.
    """
    try:
        return msgspec.json.decode(event.payload or b"{}", type=kind)
    except msgspec.ValidationError:
        return None


def merge_payload(event: StoredEvent, **values: Any) -> None:
    """Add server fields to a payload. The fingerprint stays that of what the producer sent."""
    event.payload = to_json({**decode_payload(event), **values})


def to_json(value: dict[str, Any]) -> str:
    """Encode a payload as it is stored."""
    return msgspec.json.encode(value).decode()


_decode = msgspec.json.Decoder(dict[str, Any]).decode
