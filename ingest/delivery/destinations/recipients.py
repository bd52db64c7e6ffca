"""Who receives the messages of a conversation on a channel account, and what a provider needs to thread them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from cachetools import TTLCache
from msgspec import Struct
from sqlalchemy import ColumnElement, Engine, RowMapping, select

from ingest.channels.base import Person
from ingest.events.types import EVENT_TYPES, rules_of
from ingest.log import queries
from ingest.log.storage.tables import events

CACHED_RECIPIENTS = 10_000
CACHE_SECONDS = 60.0
"""Time after which a recipient is read again, in case another process changed it."""

MAX_THREAD_KEYS = 50
"""Keys of a thread that a message names: those of the newest messages."""

THREADED_TYPES = sorted(
    each.name
    for each in EVENT_TYPES.values()
    if each.about == "message" and "thread" in each.payload.__struct_fields__
)
"""Types of a message's events whose payload may name a thread."""

FindPerson = Callable[[str], Person | None]
"""Returns the person of a contact with the addresses to use, the newest first."""


class Recipient(Struct, frozen=True, kw_only=True):
    """The customer of a conversation, as one channel account reaches them.

    `thread`: as in `OutboundMessage`. `last_inbound_at`: when the customer last wrote on this account.
    """

    person: Person
    contact_id: str | None = None
    participant_id: str | None = None
    last_inbound_at: int | None = None
    thread: tuple[str, ...] = ()
    subject: str | None = None


class Recipients:
    """Finds recipients, and keeps them until the conversation or a contact changes. Thread-safe."""

    def __init__(self, engine: Engine, find_person: FindPerson) -> None:
        """`engine` only reads."""
        self._engine = engine
        self._find_person = find_person
        self._known: TTLCache[tuple[str, str], Recipient] = TTLCache(
            CACHED_RECIPIENTS, CACHE_SECONDS
        )
        self._lock = threading.Lock()

    def see(self, event: RowMapping) -> None:
        """Forget what an event of the log may change."""
        with self._lock:
            if event["contact_id"] is not None and event["conversation_id"] is None:
                self._known.clear()
            elif _changes_recipient(event):
                self._known.pop((event["channel_account"], event["conversation_id"]), None)

    def find(self, account_id: str, conversation_id: str) -> Recipient | None:
        """Return the recipient, or None if no address of the customer is known."""
        key = account_id, conversation_id
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._read(account_id, conversation_id)
        if known is not None:
            with self._lock:
                self._known[key] = known
        return known

    def is_known(self, account_id: str, conversation_id: str) -> bool:
        """Return whether `find` reads nothing."""
        with self._lock:
            return (account_id, conversation_id) in self._known

    def _read(self, account_id: str, conversation_id: str) -> Recipient | None:
        state = queries.get_conversation(self._engine, conversation_id)
        written = self._list_written(account_id, conversation_id)
        newest = next((row for row in written if row["participant_role"] == "customer"), None)
        contact_id = None if newest is None else newest["contact_id"]
        contact_id = contact_id or (None if state is None else state.contact_id)
        person = None if contact_id is None else self._find_person(contact_id)
        if person is None or not person.addresses:
            return None
        return Recipient(
            person=person,
            contact_id=contact_id,
            participant_id=None if newest is None else newest["participant_id"],
            last_inbound_at=None if newest is None else newest["happened_at"],
            thread=thread_of([_payload(row) for row in written]),
            subject=None if state is None else state.subject,
        )

    def _list_written(self, account_id: str, conversation_id: str) -> Sequence[RowMapping]:
        """Return the newest messages and submissions on the account that matter, newest first."""
        query = (
            select(
                events.c.participant_role,
                events.c.participant_id,
                events.c.contact_id,
                events.c.happened_at,
                events.c.payload,
            )
            .where(
                events.c.conversation_id == conversation_id,
                events.c.channel_account == account_id,
                _is_customer_message() | _has_thread(),
            )
            .order_by(events.c.sequence.desc())
            .limit(MAX_THREAD_KEYS)
        )
        with self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


def thread_of(payloads: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the keys of a thread, newest last, from the payloads of its events, newest first.

    Each payload has its own best first.
    """
    found: dict[str, None] = {}
    for payload in payloads:
        keys = payload.get("thread")
        for key in keys if isinstance(keys, list) else ():
            if isinstance(key, str):
                found.setdefault(key)
    return tuple(reversed(list(found)[:MAX_THREAD_KEYS]))


def _is_customer_message() -> ColumnElement[bool]:
    return (events.c.event_type == "message.created") & (events.c.participant_role == "customer")


def _has_thread() -> ColumnElement[bool]:
    return events.c.event_type.in_(THREADED_TYPES) & events.c.payload.contains('"thread"')


def _changes_recipient(event: RowMapping) -> bool:
    rules = rules_of(event["event_type"])
    if rules.name == "message.created":
        return bool(event["participant_role"] == "customer")
    if rules.about == "conversation":
        return rules.is_version
    return rules.name in THREADED_TYPES and '"thread"' in (event["payload"] or "")


def _payload(row: RowMapping) -> dict[str, Any]:
    return (
        {} if row["payload"] is None else msgspec.json.decode(row["payload"], type=dict[str, Any])
    )
