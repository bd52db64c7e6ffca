"""One event as it is stored, and the events that the server writes by itself."""

from hashlib import blake2b
from typing import Any
from uuid import uuid5

import msgspec
from msgspec import Struct

from ingest.contract import NAMESPACE, to_micros
from ingest.events.draft import Draft

SYSTEM_SOURCE = "convolake"
"""`source` of the events that the log writes by itself."""


class StoredEvent(Struct, kw_only=True):
    """One event as it will be stored, in the order of `contract.COLUMNS`; instants in microseconds.

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


def from_draft(draft: Draft, source: str, received_at: int, event_id: str) -> StoredEvent:
    """The row of `draft` as far as the door can fill it.

    The fingerprint covers all that the producer said, in whatever order it said it.
    """
    happened_at = received_at if draft.happened_at is None else to_micros(draft.happened_at)
    payload = None if draft.payload is None else to_json(draft.payload)
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
        payload=payload,
        source=source,
        fingerprint=blake2b(_FINGERPRINT.encode(draft), digest_size=16).digest(),
    )


def system_event(
    event_type: str,
    conversation_id: str,
    number: int,
    *,
    happened_at: int,
    received_at: int,
    payload: dict[str, Any],
    **columns: Any,
) -> StoredEvent:
    """An event that the server writes; `number` makes its id the same whenever it is written."""
    return StoredEvent(
        event_id=str(uuid5(NAMESPACE, f"{event_type}/{conversation_id}/{number}")),
        event_type=event_type,
        conversation_id=conversation_id,
        participant_role="system",
        received_at=received_at,
        happened_at=min(happened_at, received_at),
        payload=to_json(payload),
        source=SYSTEM_SOURCE,
        fingerprint=b"",
        **columns,
    )


def decode_payload(row: StoredEvent) -> dict[str, Any]:
    """The payload of a row."""
    return {} if row.payload is None else _decode(row.payload)


def merge_payload(row: StoredEvent, **values: Any) -> None:
    """Note something of ours in a payload; the fingerprint stays that of what was sent."""
    row.payload = to_json({**decode_payload(row), **values})


def to_json(value: dict[str, Any]) -> str:
    """A payload as it is stored."""
    return msgspec.json.encode(value).decode()


_decode = msgspec.json.Decoder(dict[str, Any]).decode
