"""The decoded states of conversations with many participants: decoding one takes longer than a page of it may."""

import threading

from cachetools import LRUCache
from sqlalchemy import Engine, select

from ingest.events.conversation_state import Conversation
from ingest.log import queries
from ingest.log.storage.tables import conversations

CACHED_PARTICIPANTS = 100_000
"""Maximum number of participants whose states are kept in memory, of all conversations: 33 MB, at 330 bytes each."""

MIN_PARTICIPANTS = 200
"""Smaller conversations are not kept: to read one takes less than a millisecond."""


class StateCache:
    """Reads states of conversations. A caller must not change what it gets. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Start empty. `engine` only reads."""
        self._engine = engine
        self._lock = threading.Lock()
        self._states: LRUCache[str, Conversation] = LRUCache(
            CACHED_PARTICIPANTS, getsizeof=lambda state: len(state.participants)
        )

    def get(self, conversation_id: str) -> Conversation | None:
        """Return the newest state of a conversation, or None. Raises UnreadableStateError."""
        with self._lock:
            known = self._states.get(conversation_id)
        if known is not None and known.last_sequence == self._last_sequence(conversation_id):
            return known
        state = queries.get_conversation(self._engine, conversation_id)
        if state is not None and MIN_PARTICIPANTS <= len(state.participants) <= CACHED_PARTICIPANTS:
            with self._lock:
                self._states[conversation_id] = state
        return state

    def _last_sequence(self, conversation_id: str) -> int | None:
        query = select(conversations.c.last_sequence).where(
            conversations.c.conversation_id == conversation_id
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()
