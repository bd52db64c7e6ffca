"""The conversations that keys lead to, as the log has them and as the drafts of one call leave them."""

from collections.abc import Collection, Iterable

from sqlalchemy import Engine, select

from ingest.contract import derived_id
from ingest.events import projections
from ingest.events.conversation_state import Conversation
from ingest.events.draft import Draft
from ingest.events.stored_event import from_draft
from ingest.events.thread_keys import thread_key
from ingest.log.storage.keyed_rows import KeyedQuery, KeyedRows, Reader
from ingest.log.storage.state_reader import read_conversation
from ingest.log.storage.tables import channel_threads, conversations

_AT_KEYS = KeyedQuery(
    select(
        channel_threads.c.thread_key, conversations.c.conversation_id, conversations.c.projection
    ).join(conversations, conversations.c.conversation_id == channel_threads.c.conversation_id),
    channel_threads.c.thread_key,
)
_BY_ID = KeyedQuery(
    select(conversations.c.conversation_id, conversations.c.projection),
    conversations.c.conversation_id,
)


class ConversationRows:
    """Conversations as the store has them, read once for several calls."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        """`engine` only reads; it projects a damaged state again."""
        self.engine = engine
        self.at_keys = KeyedRows(reader, _AT_KEYS)
        """By the name of a thread key."""
        self.by_id = KeyedRows(reader, _BY_ID)


class Conversations:
    """Conversations by the keys of one channel account."""

    def __init__(
        self, rows: ConversationRows, channel_account: str, names: Collection[str]
    ) -> None:
        """Read what these keys lead to. `names`: what `thread_names` returned for them."""
        self._rows = rows
        self._channel_account = channel_account
        self._states: dict[str, Conversation] = {}
        self._ids: dict[str, str] = {}
        self._read(names)

    def _read(self, names: Collection[str]) -> None:
        for name, conversation_id, projection in self._rows.at_keys.get(names):
            self._ids[name] = conversation_id
            if conversation_id not in self._states:
                self._add(conversation_id, projection)
        self._read_states(self._successors())

    def _add(self, conversation_id: str, projection: bytes) -> None:
        self._states[conversation_id] = read_conversation(
            self._rows.engine, conversation_id, projection
        )

    def _successors(self) -> set[str]:
        return {
            each.successor_id for each in self._states.values() if each.successor_id is not None
        }

    def _read_states(self, conversation_ids: Iterable[str]) -> None:
        """Read these conversations and the successors of the closed ones."""
        missing = set(conversation_ids) - self._states.keys()
        while missing:
            rows = self._rows.by_id.get(missing)
            for conversation_id, projection in rows:
                self._add(conversation_id, projection)
            missing = self._successors() - self._states.keys() if rows else set()

    def get(self, conversation_id: str) -> Conversation | None:
        """Return a conversation, or None if there is none."""
        self._read_states([conversation_id])
        return self._states.get(conversation_id)

    def at(self, key: str) -> Conversation | None:
        """Return the conversation that a key leads to, or the last of its successors."""
        state = self._states.get(self._ids.get(thread_key(self._channel_account, key), ""))
        while state is not None and state.successor_id in self._states:
            state = self._states[state.successor_id]
        return state

    def leads_to(self, key: str, conversation_id: str) -> bool:
        """Return whether a key leads to this conversation."""
        return self._ids.get(thread_key(self._channel_account, key)) == conversation_id

    def is_known(self, key: str) -> bool:
        """Return whether a key leads to any conversation."""
        return thread_key(self._channel_account, key) in self._ids

    def remember(self, keys: Iterable[str], conversation_id: str) -> None:
        """Let keys lead to this conversation, as the log will."""
        for key in keys:
            self._ids[thread_key(self._channel_account, key)] = conversation_id

    def create(self, draft: Draft) -> Conversation:
        """Add the conversation that a draft creates, as the log will."""
        event = from_draft(draft, "", 0, draft.event_id or "")
        state = projections.create(event)
        self._states[state.conversation_id] = state
        return state


def thread_names(channel_account: str, keys: Iterable[str]) -> set[str]:
    """Return the names under which the store keeps these keys."""
    return {thread_key(channel_account, each) for each in keys}


def first_id(channel_account: str, key: str, contact_id: str) -> str:
    """Return the id of the first conversation of a key and a contact: the same in every process."""
    return derived_id(f"conversation/{thread_key(channel_account, key)}/{contact_id}")


def next_id(conversation_id: str) -> str:
    """Return the id of the conversation that begins after the window of another one."""
    return derived_id(f"conversation/after/{conversation_id}")
