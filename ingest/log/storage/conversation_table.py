"""The rows of conversations: their states, cached for the writer, and the columns by which they are found."""

from collections.abc import Callable, Sequence

import msgspec
from cachetools import LRUCache
from sqlalchemy import Engine

from ingest.errors import UnreadableStateError
from ingest.events.conversation_state import Conversation, encode_state
from ingest.events.timers import next_check_at
from ingest.log.storage.many_rows import Row
from ingest.log.storage.state_reader import read_conversation
from ingest.log.storage.statements import Execute, Statements

ExecuteMany = Callable[[str, list[Row]], None]

CACHED_STATES = 50_000
"""Maximum number of cached states of conversations: 50,000. Only the writer changes them."""


StoredControl = tuple[str | None, int | None]


class CachedConversation(msgspec.Struct):
    """The state of a conversation, and what the store has of it.

    `stored_state` is None if the row is not yet written. `stored_control`: `controlling_agent` and `waiting_since`.
    """

    state: Conversation
    stored_state: str | None = None
    stored_check: int | None = None
    stored_control: "StoredControl | None" = None


class ConversationTable:
    """Reads and writes the states of conversations on the connection of the store."""

    def __init__(
        self, engine: Engine, sql: Statements, execute: Execute, execute_many: ExecuteMany
    ) -> None:
        """Start with an empty cache. `engine` reads the events of a state that is damaged."""
        self._engine = engine
        self._sql = sql
        self._execute = execute
        self._execute_many = execute_many
        self._cache: LRUCache[str, CachedConversation] = LRUCache(CACHED_STATES)

    def clear_cache(self) -> None:
        """Forget every state: another process, or a rollback, has changed the rows."""
        self._cache.clear()

    def find(
        self, conversation_ids: Sequence[str]
    ) -> tuple[dict[str, Conversation], dict[str, UnreadableStateError]]:
        """Return the state of those of `conversation_ids` that exist, and of which it cannot be read."""
        found: dict[str, Conversation] = {}
        unknown: list[str] = []
        for key in conversation_ids:
            try:
                found[key] = self._cache[key].state
            except KeyError:
                unknown.append(key)
        unreadable: dict[str, UnreadableStateError] = {}
        rows = self._sql.find_states(self._execute, unknown)
        for conversation_id, projection, stored_state, stored_check, *stored_control in rows:
            try:
                state = read_conversation(self._engine, conversation_id, projection)
            except UnreadableStateError as error:
                unreadable[conversation_id] = error
                continue
            found[conversation_id] = state
            agent, waiting_since = stored_control
            self._cache[conversation_id] = CachedConversation(
                state, stored_state, stored_check, (agent, waiting_since)
            )
        return found, unreadable

    def save(
        self, states: Sequence[Conversation], new: set[str], keyed: set[str], now: int
    ) -> None:
        """Write states to the store; `new` have no row yet, `keyed` may have a new key."""
        old = [each for each in states if each.conversation_id not in new]
        if old:  # first, because a closed conversation passes its key to a new one
            self._update_conversations(old, keyed, now)
        if new:
            self._insert_conversations([each for each in states if each.conversation_id in new])

    def _insert_conversations(self, states: Sequence[Conversation]) -> None:
        self._execute_many(
            self._sql.insert_state,
            [
                (
                    each.conversation_id,
                    each.created_position,
                    each.channel,
                    each.conversation_key,
                    each.contact_id,
                    self._state(each),
                    each.last_sequence,
                    each.session_id,
                    self._next_check_at(each),
                    *self._control(each),
                    encode_state(each),
                )
                for each in states
            ],
        )

    def _update_conversations(
        self, states: Sequence[Conversation], keyed: set[str], now: int
    ) -> None:
        changed_states = [
            (self._state(each), each.conversation_id)
            for each in states
            if self._cached(each).stored_state != each.state
        ]
        self._execute_many(self._sql.update_state, changed_states)
        self._execute_many(
            self._sql.update_projection,
            [
                (
                    each.last_sequence,
                    each.session_id,
                    encode_state(each),
                    each.conversation_id,
                )
                for each in states
            ],
        )
        if keyed:
            keys = [
                (each.conversation_key, each.conversation_id)
                for each in states
                if each.conversation_id in keyed
            ]
            self._execute_many(self._sql.update_key, keys)
        checks = [
            (self._next_check_at(each), each.conversation_id)
            for each in states
            if self._needs_earlier_check(each, now)
        ]
        self._execute_many(self._sql.update_next_check, checks)
        changed_control = [
            (*self._control(each), each.conversation_id)
            for each in states
            if self._cached(each).stored_control != (each.controlling_agent, each.waiting_since)
        ]
        self._execute_many(self._sql.update_control, changed_control)

    def _state(self, state: Conversation) -> str:
        self._cached(state).stored_state = state.state
        return state.state

    def _control(self, state: Conversation) -> StoredControl:
        control = state.controlling_agent, state.waiting_since
        self._cached(state).stored_control = control
        return control

    def _needs_earlier_check(self, state: Conversation, now: int) -> bool:
        """Return whether `next_check_at` must be written. A stored value may be too early, which costs one check."""
        stored = self._cached(state).stored_check
        if (
            stored is not None
            and state.next_timer_at is not None
            and now < stored <= state.next_timer_at
        ):
            return False  # as after most messages: it would sleep longer
        wanted = next_check_at(state)
        if stored is None or wanted is None:
            return stored != wanted
        return wanted < stored or stored <= now

    def _next_check_at(self, state: Conversation) -> int | None:
        cached = self._cached(state)
        cached.stored_check = next_check_at(state)
        return cached.stored_check

    def _cached(self, state: Conversation) -> CachedConversation:
        try:
            return self._cache[state.conversation_id]
        except KeyError:
            cached = self._cache[state.conversation_id] = CachedConversation(state)
            return cached
