"""Reads of the store for the API: pages of conversations, of messages and of events."""

import heapq
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from cachetools import LRUCache
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    RowMapping,
    Select,
    bindparam,
    func,
    select,
    tuple_,
)

from ingest.contract import Cursor
from ingest.errors import UnreadableStateError
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import Conversation
from ingest.events.event_view import render_event
from ingest.events.message_state import Message
from ingest.log.storage.state_reader import read_contact, read_conversation, read_message
from ingest.log.storage.tables import (
    contacts,
    conversations,
    events,
    ingest_stats,
    messages,
)

CACHED_CHANNELS = 50_000
"""Maximum number of conversations whose channel is cached: 50,000."""


class SequenceRange(NamedTuple):
    """Sequences above `after`, and below `before` if it is given."""

    after: int = 0
    before: int | None = None
    is_newest_first: bool = False


def get_conversation(engine: Engine, conversation_id: str) -> Conversation | None:
    """Return the state of a conversation, or None."""
    found = select(conversations.c.projection).where(
        conversations.c.conversation_id == conversation_id
    )
    with engine.connect() as connection:
        projection = connection.execute(found).scalar()
    return None if projection is None else read_conversation(engine, conversation_id, projection)


class ConversationChannels:
    """The channel of each conversation, cached: it never changes. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Start with an empty cache."""
        self._engine = engine
        self._channels: LRUCache[str, str] = LRUCache(CACHED_CHANNELS)
        self._lock = threading.Lock()

    def get(self, conversation_id: str | None) -> str | None:
        """Return the conversation's channel; None without a conversation."""
        if conversation_id is None:
            return None
        with self._lock:
            channel = self._channels.get(conversation_id)
        if channel is not None:
            return channel
        found = select(conversations.c.channel).where(
            conversations.c.conversation_id == conversation_id
        )
        with self._engine.connect() as connection:
            channel = connection.execute(found).scalar()
        if channel is not None:
            with self._lock:
                self._channels[conversation_id] = channel
        return channel


def list_conversations(
    engine: Engine,
    limit: int,
    before: tuple[int, str] | None,
    equal: Mapping[str, str | None],
    channels: Collection[str] = (),
    contact_ids: Collection[str] = (),
) -> list[Conversation]:
    """Return at most `limit` conversations, newest first, created before position `before`.

    `equal` gives values that columns must have; None: any value. With `channels` or `contact_ids`, only
    of those. Conversations whose state cannot be read are left out; `unreadable_states` has them.
    """
    place = (conversations.c.created_position, conversations.c.conversation_id)
    query = select(*place, conversations.c.projection).order_by(*(each.desc() for each in place))
    if channels:
        query = query.where(conversations.c.channel.in_(sorted(channels)))
    if contact_ids:
        query = query.where(conversations.c.contact_id.in_(sorted(contact_ids)))
    for name, value in equal.items():
        if value is not None:
            query = query.where(conversations.c[name] == value)
    found: list[Conversation] = []
    while (missing := limit - len(found)) > 0:
        page = query if before is None else query.where(tuple_(*place) < before)
        with engine.connect() as connection:
            rows = connection.execute(page.limit(missing)).all()
        for position, conversation_id, projection in rows:
            before = position, conversation_id
            with suppress(UnreadableStateError):
                found.append(read_conversation(engine, conversation_id, projection))
        if len(rows) < missing:
            break
    return found


def get_contact(engine: Engine, contact_id: str) -> Contact | None:
    """Return a contact, or None."""
    found = select(contacts.c.projection).where(contacts.c.contact_id == contact_id)
    with engine.connect() as connection:
        projection = connection.execute(found).scalar()
    return None if projection is None else read_contact(engine, contact_id, projection)


_MESSAGE_COLUMNS: Sequence[Any] = [
    events.c[name]
    for name in (
        "conversation_id", "sequence", "session_id", "message_id", "event_id", "participant_id",
        "participant_role", "channel", "in_reply_to", "bot_version", "visibility", "text", "payload",
        "occurred_at", "received_at", "happened_at",
    )
]  # fmt: skip


def _is_message(conversation_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        events.c.conversation_id == conversation_id,
        events.c.event_type == "message.created",
    )


def _within(query: Select[Any], span: SequenceRange) -> Select[Any]:
    query = query.where(events.c.sequence > span.after)
    if span.before is not None:
        query = query.where(events.c.sequence < span.before)
    place = events.c.sequence.desc() if span.is_newest_first else events.c.sequence
    return query.order_by(place)


def list_messages(
    engine: Engine, conversation_id: str, limit: int, span: SequenceRange
) -> Sequence[RowMapping]:
    """Return at most `limit` messages of a conversation, in order."""
    query = select(*_MESSAGE_COLUMNS).where(*_is_message(conversation_id))
    with engine.connect() as connection:
        return connection.execute(_within(query, span).limit(limit)).mappings().all()


def get_message(engine: Engine, conversation_id: str, message_id: str) -> RowMapping | None:
    """Return a message as it was created, or None."""
    query = select(*_MESSAGE_COLUMNS).where(
        *_is_message(conversation_id), events.c.message_id == message_id
    )
    with engine.connect() as connection:
        return connection.execute(query.order_by(events.c.sequence).limit(1)).mappings().first()


def find_messages(
    engine: Engine, conversation_id: str, message_ids: Sequence[str]
) -> dict[str, Message]:
    """Return the state of those messages that changed after their creation."""
    query = select(messages.c.message_id, messages.c.projection).where(
        messages.c.message_id.in_(message_ids), messages.c.conversation_id == conversation_id
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return {
        message_id: read_message(engine, conversation_id, message_id, projection)
        for message_id, projection in rows
    }


def list_events(
    engine: Engine, conversation_id: str, limit: int, span: SequenceRange
) -> Sequence[RowMapping]:
    """Return at most `limit` events of a conversation, in order."""
    query = select(events).where(events.c.conversation_id == conversation_id)
    with engine.connect() as connection:
        return connection.execute(_within(query, span).limit(limit)).mappings().all()


_POSITION_COLUMNS: Sequence[Any] = [
    events.c[name]
    for name in (
        "shard", "position", "event_type", "conversation_id", "contact_id", "participant_id", "committed_at",
    )
]  # fmt: skip


def _page_of(query: Select[Any]) -> Select[Any]:
    """Return a query of a page of one shard: a constant, because building it takes longer than reading a few events."""
    position, shard = events.c.position, events.c.shard == bindparam("shard")
    page = query.where(shard, position > bindparam("after"), position <= bindparam("until"))
    return page.order_by(position).limit(bindparam("most", type_=Integer))


_POSITIONS, _LOG = _page_of(select(*_POSITION_COLUMNS)), _page_of(select(events))
_NEXT_SHARD = select(func.min(events.c.shard)).where(events.c.shard > bindparam("last"))


def list_positions(engine: Engine, after: Cursor, until: Cursor, limit: int) -> list[RowMapping]:
    """Return at most `limit` events between two cursors, without text and payload."""
    return _merge(engine, _POSITIONS, after, limit, until)


def read_log(engine: Engine, after: Cursor, limit: int) -> list[RowMapping]:
    """Return at most `limit` events after a cursor, in order of position within each shard.

    Shards are merged by `committed_at`, so that the cursor after any prefix misses nothing.
    """
    return _merge(engine, _LOG, after, limit)


def _merge(
    engine: Engine, query: Select[Any], after: Cursor, limit: int, until: Cursor | None = None
) -> list[RowMapping]:
    with engine.connect() as connection:
        pages = []
        for shard in list_shards(connection):
            last = 2**63 - 1 if until is None else until.get(shard, 0)
            span = {"shard": shard, "after": after.get(shard, 0), "until": last, "most": limit}
            pages.append(connection.execute(query, span).mappings().all())
    return list(islice(heapq.merge(*pages, key=itemgetter("committed_at")), limit))


def list_shards(connection: Connection) -> list[int]:
    """Return the shards that have events. Costs one index look-up for each."""
    shards: list[int] = []
    while (
        shard := connection.execute(_NEXT_SHARD, {"last": [-1, *shards][-1]}).scalar()
    ) is not None:
        shards.append(shard)
    return shards


def head(engine: Engine) -> Cursor:
    """Return the cursor after the newest event of every shard, whichever process wrote it."""
    query = select(func.max(events.c.position)).where(events.c.shard == bindparam("shard"))
    with engine.connect() as connection:
        return {
            shard: connection.execute(query, {"shard": shard}).scalar() or 0
            for shard in list_shards(connection)
        }


def event_exists(engine: Engine, source: str, event_id: str) -> bool:
    """Return whether this source's event of this id is stored."""
    query = select(events.c.position).where(
        events.c.event_id == event_id, events.c.source == source
    )
    with engine.connect() as connection:
        return connection.execute(query).first() is not None


def list_ingest_stats(engine: Engine) -> Sequence[RowMapping]:
    """Return the counters by source."""
    with engine.connect() as connection:
        return (
            connection.execute(select(ingest_stats).order_by(ingest_stats.c.source))
            .mappings()
            .all()
        )


def list_event_views(
    engine: Engine, conversation_id: str, limit: int, span: SequenceRange, view: str
) -> list[dict[str, Any]]:
    """Return at most `limit` events of a conversation, in order, as `view` shows them."""
    rows = list_events(engine, conversation_id, limit, span)
    deleted = _deleted_messages(engine, conversation_id, rows) if view != "all" else frozenset()
    return [render_event(row, view, is_deleted=row["message_id"] in deleted) for row in rows]


def _deleted_messages(
    engine: Engine, conversation_id: str, rows: Sequence[RowMapping]
) -> frozenset[str]:
    ids = [row["message_id"] for row in rows if row["message_id"] is not None]
    states = find_messages(engine, conversation_id, ids).values()
    return frozenset(each.message_id for each in states if each.is_deleted)
