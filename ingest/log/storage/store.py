"""The store of the log for its writer; `queries` reads it for the API."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ClauseElement, Engine

from ingest.errors import UnreadableStateError
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import Conversation, encode_state
from ingest.events.message_state import Message
from ingest.events.stored_event import StoredEvent
from ingest.log.records import (
    CreatedMessage,
    IngestCounters,
    KnownEvent,
    MessageKey,
    ParkedEvent,
    RejectedEvent,
)
from ingest.log.storage.compiler import Compiler
from ingest.log.storage.contact_table import ContactTable
from ingest.log.storage.conversation_table import ConversationTable
from ingest.log.storage.engine import database_for
from ingest.log.storage.state_reader import read_each, read_message
from ingest.log.storage.statements import Bound, Statement, compiled_statements


class Store:
    """The writer's view of the store. One thread, one connection, one transaction at a time."""

    def __init__(self, engine: Engine, shard: int = 0, writer_id: str | None = None) -> None:
        """Open the one connection that writes, and that also checkpoints.

        `writer_id` names this store in the notifications of its commits; by default a new one.
        """
        self._added = 0
        self.writer_id = writer_id or secrets.token_hex(8)
        self.engine = engine
        self._shard = shard
        self.dialect = engine.dialect
        self._database = database_for(engine)
        self._compiler = Compiler(engine.dialect)
        self._sql = compiled_statements(engine.dialect)
        self._conversations = ConversationTable(
            engine, self._sql, self._execute, self._execute_many
        )
        self._contacts = ContactTable(engine, self._sql, self._execute, self._execute_many)
        self._connect()
        self._parked: int = self._execute(self._sql.count_parked)[0][0]

    def _connect(self) -> None:
        self._connection = self.engine.raw_connection()
        if self._database.multi_writer:
            # Nothing is held between commits: `begin` begins a transaction.
            self._connection.driver_connection.autocommit = True  # type: ignore[union-attr]
        # Results of writes may arrive later than their statements: reads have a cursor of their own.
        self._cursor = self._connection.cursor()
        self._reading = self._connection.cursor()
        self.is_disconnected = False

    def begin(self, position: int) -> int:
        """Begin a commit; until its end no other process writes.

        `position` is the last that the caller knows; return the true last one. If another process wrote
        meanwhile, the cache is outdated and is cleared.
        """
        if not self._database.multi_writer:
            return position
        if self.is_disconnected:
            self._connect()
        self._database.begin(self._connection, self._cursor)
        last, self._parked = self._execute(self._sql.last_position_and_parked, (self._shard,))[0]
        if last != position:
            self._conversations.clear_cache()
        return last or 0

    @property
    def has_parked(self) -> bool:
        """Whether any event waits for its message."""
        return self._parked > 0

    def last_position(self) -> int:
        """Return the last position of the shard; 0 for an empty one."""
        last: int | None = self._execute(self._sql.last_position, (self._shard,))[0][0]
        return last or 0

    # --- reads

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement."""
        return self._execute(statement, values)

    def find_events(self, event_ids: Sequence[str]) -> dict[tuple[str, str], KnownEvent]:
        """Return those of `event_ids` that are stored, by (source, event_id)."""
        rows = self._sql.find_events(self._execute, event_ids)
        return {(row[0], row[1]): KnownEvent(*row[2:]) for row in rows}

    def find_conversations(
        self, conversation_ids: Sequence[str]
    ) -> tuple[dict[str, Conversation], dict[str, UnreadableStateError]]:
        """Return the state of those of `conversation_ids` that exist, and of which it cannot be read."""
        return self._conversations.find(conversation_ids)

    def find_due_conversations(self, now: int, most: int) -> list[str]:
        """Return at most `most` conversations with a due timer, the longest due first."""
        return [row[0] for row in self._execute(self._sql.find_due, (now, most, 0))]

    def find_controlled(self, agent: str | None) -> list[str]:
        """Return the conversations that this agent has control of; None: that any agent has."""
        if agent is None:
            return [row[0] for row in self._execute(self._sql.find_controlled)]
        return [row[0] for row in self._execute(self._sql.find_controlled_by, (agent,))]

    def find_keys(self, keys: Sequence[str]) -> dict[str, str]:
        """Return which open conversations have these conversation keys."""
        return dict(self._sql.find_keys(self._execute, keys))

    def find_created_messages(self, keys: Sequence[MessageKey]) -> dict[MessageKey, CreatedMessage]:
        """Return those of these messages that were created."""
        conversation_ids, message_ids = _columns(keys)
        unnamed = self._sql.find_unnamed(self._execute, message_ids)
        named = self._sql.find_named(self._execute, message_ids, conversation_ids)
        return {(row[0], row[1]): CreatedMessage(*row[2:]) for row in (*unnamed, *named)}

    def find_messages(
        self, keys: Sequence[MessageKey]
    ) -> tuple[dict[MessageKey, Message], dict[MessageKey, UnreadableStateError]]:
        """Return the state of those messages that changed after their creation, and of which it cannot be read."""
        conversation_ids, message_ids = _columns(keys)
        rows = self._sql.find_messages(self._execute, message_ids, conversation_ids)
        return read_each(
            {
                (row[0], row[1]): partial(read_message, self.engine, row[0], row[1], row[2])
                for row in rows
            }
        )

    def find_contacts(
        self, contact_ids: Sequence[str]
    ) -> tuple[dict[str, Contact], dict[str, UnreadableStateError]]:
        """Return those of these contacts that are known, and whose state cannot be read."""
        return self._contacts.find(contact_ids)

    def find_parked(self, keys: Sequence[MessageKey]) -> list[ParkedEvent]:
        """Return the events that wait for messages of these ids in any conversation, in the order received.

        A message to a closed conversation may reach its successor.
        """
        rows = self._sql.find_parked(self._execute, [key[1] for key in keys])
        return [ParkedEvent(*row[1:]) for row in rows]

    def find_parked_events(self, event_ids: Sequence[str]) -> list[ParkedEvent]:
        """Return those of `event_ids` that wait."""
        return [
            ParkedEvent(*row[1:]) for row in self._sql.find_parked_events(self._execute, event_ids)
        ]

    def find_expired(self, now: int, most: int) -> list[ParkedEvent]:
        """Return parked events whose message did not arrive in time."""
        return [
            ParkedEvent(*row[1:]) for row in self._execute(self._sql.find_expired, (now, most, 0))
        ]

    # --- writes

    def add_events(self, rows: Sequence[StoredEvent]) -> None:
        """Insert new events."""
        self._added = rows[-1].position if rows else 0
        values = [msgspec.structs.astuple(row) for row in rows]
        self._sql.insert_events.execute(self._cursor, values)

    def save_conversations(
        self, states: Sequence[Conversation], new: set[str], keyed: set[str], now: int
    ) -> None:
        """Write states to the store; `new` have no row yet, `keyed` may have a new key."""
        self._conversations.save(states, new, keyed, now)

    def save_contact_ids(self, states: Sequence[Conversation]) -> None:
        """Write the contacts of stored conversations."""
        self._execute_many(
            self._sql.update_contact_id,
            [(each.contact_id, each.conversation_id) for each in states],
        )

    def postpone_checks(self, conversation_ids: Collection[str], until: int) -> None:
        """Check the timers of these conversations at `until` again, and not before."""
        self._execute_many(
            self._sql.update_next_check, [(until, each) for each in conversation_ids]
        )

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Write the states of messages."""
        keys = [(each.message_id, each.conversation_id) for each in messages]
        self._execute_many(self._sql.delete_message, keys)
        rows = [(*key, encode_state(each)) for key, each in zip(keys, messages, strict=True)]
        self._execute_many(self._sql.insert_message, rows)

    def save_contacts(self, contacts: Sequence[Contact]) -> None:
        """Write the states of contacts, and what they are found by."""
        self._contacts.save(contacts)

    def save_threads(self, threads: Mapping[str, str]) -> None:
        """Write which conversations keys lead to; a later one replaces an earlier one."""
        self._execute_many(self._sql.delete_thread, [(key,) for key in threads])
        self._execute_many(self._sql.insert_thread, list(threads.items()))

    def save_parked(self, parked: Sequence[ParkedEvent], done: Sequence[ParkedEvent]) -> None:
        """Add parked events, and delete released ones."""
        self._execute_many(
            self._sql.insert_parked, [msgspec.structs.astuple(each) for each in parked]
        )
        self._execute_many(self._sql.delete_parked, [(each.source, each.event_id) for each in done])
        self._parked += len(parked) - len(done)

    def delete_projections(self) -> None:
        """Delete all projections: the states of conversations, messages, contacts and reviews."""
        self._conversations.clear_cache()
        for statement in self._sql.delete_states:
            self._cursor.execute(statement)

    def add_counters(self, counts: Mapping[str, IngestCounters]) -> None:
        """Add to the stored counters, by source."""
        rows = [(source, *msgspec.structs.astuple(each)) for source, each in counts.items()]
        self._execute_many(self._sql.add_counters, rows)

    def add_rejected_events(self, rejected: Sequence[RejectedEvent]) -> None:
        """Insert rejected events."""
        self._execute_many(
            self._sql.insert_rejected_event, [msgspec.structs.astuple(each) for each in rejected]
        )

    def mark_replayed(self, replayed: Sequence[tuple[int, str]], at: int) -> None:
        """Record which rejected events were replayed, and as which event."""
        self._execute_many(
            self._sql.update_replayed, [(at, event_id, key) for key, event_id in replayed]
        )

    def fetch(self, query: ClauseElement) -> list[Any]:
        """Return the rows of a query outside of the hot path, within the transaction."""
        return self._execute(*self._compiler.compile(query))

    def execute(self, statement: Statement) -> None:
        """Execute a statement outside of the hot path, within the transaction."""
        self._cursor.execute(*self._compiler.compile(statement))

    def execute_all(self, statements: Iterable[Bound]) -> None:
        """Execute statements with values, those of one text together, within the transaction."""
        rows: defaultdict[ClauseElement, list[Mapping[str, Any]]] = defaultdict(list)
        for statement, values in statements:
            rows[statement].append(values)
        for statement, given in rows.items():
            self._execute_many(*self._compiler.compile_many(statement, given))

    def commit(self) -> None:
        """Commit the transaction: it is on disk when this returns."""
        if self._added:
            self._database.notify(self._cursor, self.writer_id, self._added)
            self._added = 0
        self._database.commit(self._connection, self._cursor)

    def rollback(self) -> None:
        """Undo everything since the last commit, and clear the cache."""
        self._conversations.clear_cache()
        if self.is_disconnected:
            return
        try:
            self._database.rollback(self._connection)
            self._parked = self._execute(self._sql.count_parked)[0][0]
        except Exception:
            if not self._database.multi_writer:
                raise
            self.is_disconnected = True
            self._connection.invalidate()

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Return whether the state on disk is unknown: a restart reads it."""
        return self._database.is_fatal(error, is_committing=is_committing)

    def close(self) -> None:
        """Close the connection; SQLite checkpoints its write-ahead log into the file."""
        if not self.is_disconnected:
            for cursor in (
                self._cursor,
                self._reading,
            ):  # SQLite stays open for a cursor's statement
                cursor.close()
            self._connection.close()

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        self._reading.execute(statement, values)
        self._database.receive()
        return list(self._reading.fetchall())

    def _execute_many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            self._cursor.executemany(statement, rows)


def _columns(keys: Sequence[MessageKey]) -> tuple[list[str], list[str]]:
    """Return the conversations and the messages of these keys."""
    return [key[0] for key in keys], [key[1] for key in keys]
