"""Rebuilds the projections from the log, after a migration or to repair them.

Every state table may be deleted; the rebuild gives the rows that the writer wrote.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine, select

from ingest.events import contact_state, message_state, projections
from ingest.events.contact_state import Contact
from ingest.events.conversation_state import Conversation
from ingest.events.message_state import Message
from ingest.events.stored_event import StoredEvent
from ingest.events.thread_keys import thread_keys
from ingest.events.timers import LifecyclePolicy, next_timer
from ingest.events.types import EVENT_TYPES, rules_of
from ingest.log import queries
from ingest.log.cursor import START, advance
from ingest.log.records import MessageKey
from ingest.log.review_repository import ReviewRepository
from ingest.log.storage.store import Store
from ingest.log.storage.tables import contacts, conversations, events

CHUNK_EVENTS = 5_000

CONTACT_TYPES = [each.name for each in EVENT_TYPES.values() if each.stream == "contact"]


def needs_rebuild(engine: Engine) -> bool:
    """Return whether the log has conversations or contacts and no state of them, as after a migration."""
    created = select(events.c.position).where(events.c.conversation_id.is_not(None)).limit(1)
    known = select(events.c.position).where(events.c.event_type.in_(CONTACT_TYPES)).limit(1)
    with engine.connect() as connection:
        if connection.execute(select(conversations.c.state).limit(1)).first() is not None:
            return False
        if connection.execute(created).first() is not None:
            return True
        has_contact = connection.execute(select(contacts.c.contact_id).limit(1)).first()
        return has_contact is None and connection.execute(known).first() is not None


def rebuild_projections(
    engine: Engine,
    store: Store,
    rules: LifecyclePolicy,
    on_chunk: Callable[[int], object] = lambda _: None,
) -> None:
    """Delete all states, then project every event of the log. One transaction: all or nothing.

    `on_chunk` receives the last position of each chunk. Call `store.begin` first: no other process may
    write.
    """
    store.delete_projections()
    for rows in _chunks(engine):
        _ChunkProjection(store, rules).project(rows)
        on_chunk(rows[-1].position)
    store.commit()


def _chunks(engine: Engine) -> Iterator[list[StoredEvent]]:
    cursor = START
    while rows := queries.read_log(engine, cursor, CHUNK_EVENTS):
        chunk = [StoredEvent(**row) for row in rows]
        yield chunk
        cursor = advance(cursor, chunk)


class _ChunkProjection:
    """One chunk: reads the states that it touches, projects its events, writes the states."""

    def __init__(self, store: Store, rules: LifecyclePolicy) -> None:
        self._store = store
        self._rules = rules
        self._new: set[str] = set()

    def project(self, rows: Sequence[StoredEvent]) -> None:
        store = self._store
        ids = sorted({row.conversation_id for row in rows if row.conversation_id is not None})
        states, _ = store.find_conversations(ids)  # this rebuild wrote them: all are readable
        contact_ids = sorted(
            {
                row.contact_id
                for row in rows
                if rules_of(row.event_type).stream == "contact" and row.contact_id
            }
        )
        contacts, _ = store.find_contacts(contact_ids)
        keys = sorted({_key(row) for row in rows if rules_of(row.event_type).refers_to_message})
        messages, _ = store.find_messages(keys)
        reviews = ReviewRepository(store)
        threads: dict[str, str] = {}
        for row in rows:
            if row.conversation_id is not None:
                self._apply(row, states)
                threads |= dict.fromkeys(thread_keys(row), row.conversation_id)
                if rules_of(row.event_type).refers_to_message:
                    message_state.apply(messages.setdefault(_key(row), Message(*_key(row))), row)
            elif rules_of(row.event_type).stream == "contact" and row.contact_id:
                contact_state.apply(
                    contacts.setdefault(row.contact_id, Contact(row.contact_id)), row
                )
            elif rules_of(row.event_type).stream == "review":
                reviews.project(row)
        for state in states.values():
            state.next_timer_at = (
                due.at if (due := next_timer(state, self._rules)) is not None else None
            )
        now = max(row.committed_at for row in rows)
        store.save_conversations(list(states.values()), self._new, set(states), now)
        store.save_contact_ids([each for key, each in states.items() if key not in self._new])
        store.save_messages([messages[key] for key in keys])
        store.save_contacts([contacts[each] for each in contact_ids])
        store.save_threads(threads)
        reviews.save()

    def _apply(self, row: StoredEvent, states: dict[str, Conversation]) -> None:
        conversation_id = row.conversation_id or ""
        if conversation_id not in states:
            states[conversation_id] = projections.create(row)
            self._new.add(conversation_id)
        projections.apply(states[conversation_id], row)


def _key(row: StoredEvent) -> MessageKey:
    return row.conversation_id or "", row.message_id or ""
