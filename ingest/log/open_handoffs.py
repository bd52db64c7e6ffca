"""Reads of open handoffs: those that wait for an agent, and those that an agent has."""

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import Engine, literal, select, text, tuple_

from ingest.errors import UnreadableStateError
from ingest.events.conversation_state import Conversation
from ingest.log.storage.state_reader import read_conversation
from ingest.log.storage.tables import WAITS_FOR_AGENT, conversations

Place = tuple[int, str]
"""When the handoff was requested (0 of an agent's own), and the conversation."""


def list_open_handoffs(
    engine: Engine,
    limit: int,
    after: Place | None,
    agent: str | None = None,
    channels: Collection[str] = (),
) -> tuple[list[Conversation], Place | None]:
    """Return at most `limit` conversations after a place, and the place of the last if there may be more.

    Those whose handoff waits for an agent, the oldest request first. With `agent`, those that this agent
    controls, by id. With `channels`, only of those channels. Conversations whose state cannot be read are left out;
    `unreadable_states` has them.
    """
    since = literal(0) if agent is not None else conversations.c.waiting_since
    query = select(since, conversations.c.conversation_id, conversations.c.projection)
    if agent is None:
        query = query.where(text(WAITS_FOR_AGENT))
    else:
        query = query.where(conversations.c.controlling_agent == agent)
    if channels:
        query = query.where(conversations.c.channel.in_(sorted(channels)))
    if after is not None:
        query = query.where(tuple_(since, conversations.c.conversation_id) > after)
    query = query.order_by(since, conversations.c.conversation_id).limit(limit)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found: list[Conversation] = []
    for _, conversation_id, projection in rows:
        with suppress(UnreadableStateError):
            found.append(read_conversation(engine, conversation_id, projection))
    last = rows[-1][:2] if len(rows) == limit else None
    return found, None if last is None else (last[0], last[1])
