"""One thing that a bot framework wrote about a conversation, and the event that it becomes. Pure.

Ids are derived from the framework's own ids, so every repetition gives the same ones.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from ingest.contract import Role, derived_id
from ingest.events.foreign_ids import to_id


class Speaker(Struct, frozen=True):
    """Who speaks: the framework's id, the role, and the name if there is one."""

    id: str
    role: Role
    name: str | None = None


class Conversation(Struct, frozen=True):
    """A conversation as the log names it, and its channel."""

    conversation_id: str
    channel: str


class BotEvent(Struct, frozen=True, kw_only=True):
    """An event of a conversation before it has its ids.

    `key` names it in its conversation, together with its type. `has_own_time`: the framework recorded this
    time for it; otherwise it is the time of the first request that had it, and a repeat may have another.
    """

    conversation: Conversation
    event_type: str
    key: str
    at: datetime | None = None
    has_own_time: bool = True
    speaker: Speaker | None = None
    text: str | None = None
    message_id: str | None = None
    handoff_id: str | None = None
    in_reply_to: str | None = None
    bot_version: str | None = None
    visibility: str | None = None
    payload: dict[str, Any] = {}


class UnreadableRecordError(ValueError):
    """A record of a framework that is none, and why."""


def message_id_of(conversation: Conversation, key: str) -> str:
    """Return the id of the message with this key."""
    return derived_id(f"bot-message/{conversation.conversation_id}/{key}")


def creation_of(conversation: Conversation, at: datetime | None) -> BotEvent:
    """Return the creation of a conversation. It is the same whichever event is its first."""
    return BotEvent(
        conversation=conversation,
        event_type="conversation.created",
        key="created",
        at=at,
        has_own_time=False,
    )


def render(event: BotEvent, role: Role | None = None) -> dict[str, Any]:
    """Return the event for `POST /v1/events`; `role` replaces that of its speaker."""
    conversation, speaker = event.conversation, event.speaker
    name = f"bot-event/{conversation.conversation_id}/{event.event_type}/{event.key}"
    is_message = event.event_type == "message.created"
    is_creation = event.event_type == "conversation.created"
    at = None if event.at is None else event.at.isoformat()
    payload = dict(event.payload)
    if speaker is not None and speaker.name and is_message:
        payload["author_name"] = speaker.name
    columns = {
        "event_id": derived_id(name),
        "event_type": event.event_type,
        "conversation_id": conversation.conversation_id,
        "channel": conversation.channel if is_creation else None,
        "participant_id": None if speaker is None else to_id(speaker.id),
        "participant_role": None if speaker is None else role or speaker.role,
        "message_id": event.message_id
        or (message_id_of(conversation, event.key) if is_message else None),
        "handoff_id": event.handoff_id,
        "in_reply_to": event.in_reply_to,
        "bot_version": None if event.bot_version is None else to_id(event.bot_version),
        "visibility": event.visibility,
        "occurred_at": at,
        "happened_at": at,
        "text": event.text,
        "payload": payload or None,
    }
    return {name: value for name, value in columns.items() if value is not None}


def fingerprint_of(event: dict[str, Any]) -> bytes:
    """Return the fingerprint of a rendered event without its times, which a repeat may have otherwise."""
    said = {name: value for name, value in event.items() if name not in _TIMES}
    return blake2b(_ENCODER.encode(said), digest_size=16).digest()


_TIMES = ("occurred_at", "happened_at")
_ENCODER = msgspec.json.Encoder(order="deterministic")
