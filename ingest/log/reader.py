"""Reads of the store for the API: pages of conversations and of messages."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, RowMapping, select

from ingest.log.folds import Conversation
from ingest.log.store import as_conversation
from ingest.log.tables import conversations, events, rejected_events, tallies


def get_conversation(engine: Engine, conversation_id: str) -> Conversation | None:
    """State of a conversation, or None."""
    found = select(conversations).where(conversations.c.conversation_id == conversation_id)
    with engine.connect() as connection:
        row = connection.execute(found).first()
    return None if row is None else as_conversation(row)


def list_conversations(
    engine: Engine, limit: int, before: int | None, channel: str | None
) -> list[Conversation]:
    """At most `limit` conversations, newest first, created before position `before`."""
    query = select(conversations).order_by(conversations.c.created_position.desc()).limit(limit)
    if before is not None:
        query = query.where(conversations.c.created_position < before)
    if channel is not None:
        query = query.where(conversations.c.channel == channel)
    with engine.connect() as connection:
        return [as_conversation(row) for row in connection.execute(query)]


_MESSAGE_COLUMNS: Sequence[Any] = [
    events.c[name]
    for name in (
        "conversation_id", "sequence", "session_id", "message_id", "event_id", "participant_id",
        "participant_role", "channel", "in_reply_to", "bot_version", "visibility", "text", "payload",
        "occurred_at", "received_at", "happened_at",
    )
]  # fmt: skip


def list_messages(
    engine: Engine, conversation_id: str, limit: int, after: int
) -> Sequence[RowMapping]:
    """At most `limit` messages of a conversation, in order, with a sequence above `after`."""
    query = (
        select(*_MESSAGE_COLUMNS)
        .where(
            events.c.conversation_id == conversation_id,
            events.c.sequence > after,
            events.c.event_type == "message.created",
        )
        .order_by(events.c.sequence)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def list_tallies(engine: Engine) -> Sequence[RowMapping]:
    """What was counted, by source."""
    with engine.connect() as connection:
        return connection.execute(select(tallies).order_by(tallies.c.source)).mappings().all()


def list_rejected(
    engine: Engine, limit: int, before: int | None, source: str | None, code: str | None
) -> Sequence[RowMapping]:
    """At most `limit` refused events, newest first, with an id below `before`.

    Of one `source` and with one `code`, if given.
    """
    query = select(rejected_events).order_by(rejected_events.c.rejected_id.desc()).limit(limit)
    if before is not None:
        query = query.where(rejected_events.c.rejected_id < before)
    if source is not None:
        query = query.where(rejected_events.c.source == source)
    if code is not None:
        query = query.where(rejected_events.c.code == code)
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def get_rejected(engine: Engine, rejected_id: int, source: str | None) -> RowMapping | None:
    """A refused event; None if there is none, or it is not of `source`."""
    found = list_rejected(engine, 1, rejected_id + 1, source, None)
    return found[0] if found and found[0]["rejected_id"] == rejected_id else None
