"""Unread messages: how many messages of others a participant has not read."""

import threading
from bisect import bisect_right, insort
from collections.abc import Collection, Iterable

from cachetools import LRUCache
from sqlalchemy import Engine, select

from ingest.events.conversation_state import Conversation, Member
from ingest.log.storage.tables import events

CACHED_MESSAGES = 250_000
"""Maximum number of messages whose sequences are kept in memory, of all conversations: 90 MB, at 356 bytes each."""

_CREATED = "message.created"
_DELETED = "message.deleted"


class UnreadCounter:
    """Counts unread messages. Keeps the sequences of messages, and reads only what is new. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Start empty. `engine` only reads."""
        self._engine = engine
        self._lock = threading.Lock()
        self._messages: LRUCache[str, _Messages] = LRUCache(CACHED_MESSAGES, getsizeof=len)

    def count(self, state: Conversation, participant_ids: Collection[str]) -> dict[str, int]:
        """Return the number of unread messages of these participants of a conversation.

        Deleted messages do not count, and for a customer no internal ones.
        """
        with self._lock:
            messages = self._messages.pop(state.conversation_id, None) or _Messages()
            messages.read(self._engine, state)
            if len(messages) <= CACHED_MESSAGES:
                self._messages[state.conversation_id] = messages
            return {
                each: messages.count_others(each, state.participants[each])
                for each in participant_ids
            }


class _Messages:
    """The sequences of a conversation's messages: of all, and by participant."""

    def __init__(self) -> None:
        self._last_sequence = 0
        self._created: dict[str, tuple[int, str, bool]] = {}
        self._all: list[int] = []
        self._public: list[int] = []
        self._own: dict[tuple[str, bool], list[int]] = {}

    def __len__(self) -> int:
        return len(self._created) + 1

    def read(self, engine: Engine, state: Conversation) -> None:
        """Read the messages and deletions up to the state's last sequence."""
        if state.last_sequence <= self._last_sequence:
            return
        columns = ("event_type", "sequence", "participant_id", "visibility", "message_id")
        query = (
            select(*(events.c[name] for name in columns))
            .where(
                events.c.conversation_id == state.conversation_id,
                events.c.sequence > self._last_sequence,
                events.c.sequence <= state.last_sequence,
                events.c.event_type.in_((_CREATED, _DELETED)),
            )
            .order_by(events.c.sequence)
        )
        with engine.connect() as connection:
            for kind, sequence, participant_id, visibility, message_id in connection.execute(query):
                if kind == _DELETED:
                    self._remove(message_id)
                else:
                    self._created[message_id] = sequence, participant_id, visibility == "public"
                    for sequences in self._lists(message_id):
                        insort(sequences, sequence)
        self._last_sequence = state.last_sequence

    def _remove(self, message_id: str) -> None:
        if message_id in self._created:
            for sequences in self._lists(message_id):
                sequences.remove(self._created[message_id][0])
            del self._created[message_id]

    def _lists(self, message_id: str) -> Iterable[list[int]]:
        """Return every list that has a message."""
        _, participant_id, is_public = self._created[message_id]
        yield self._all
        yield self._own.setdefault((participant_id, False), [])
        if is_public:
            yield self._public
            yield self._own.setdefault((participant_id, True), [])

    def count_others(self, participant_id: str, member: Member) -> int:
        """Count the messages of others above the participant's horizon."""
        horizon = _horizon(member)
        is_customer = member.participant_role == "customer"
        sequences = self._public if is_customer else self._all
        own = self._own.get((participant_id, is_customer), [])
        return _above(sequences, horizon) - _above(own, horizon)


def _above(sequences: list[int], horizon: int) -> int:
    return len(sequences) - bisect_right(sequences, horizon)


def _horizon(member: Member) -> int:
    if member.unread_sequence is None:
        return member.read_sequence
    return min(member.read_sequence, max(0, member.unread_sequence - 1))
