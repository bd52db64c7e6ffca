"""Recognises events that are stored or parked already."""

from collections.abc import Collection

import msgspec

from ingest.events.draft import Draft
from ingest.events.stored_event import StoredEvent
from ingest.log.acknowledgements import (
    acknowledge,
    acknowledge_parked,
    duplicate_or_conflict,
    duplicate_or_conflict_of_parked,
)
from ingest.log.conversation_repository import unique
from ingest.log.message_repository import message_keys
from ingest.log.records import KnownEvent, MessageKey, ParkedEvent
from ingest.log.storage.store import Store
from ingest.log.writer_requests import Acknowledgement


class Deduplicator:
    """The stored and parked events that one commit's drafts may repeat or release."""

    def __init__(self, store: Store, drafts: Collection[Draft]) -> None:
        """Look up the drafts' event ids, and the parked events of the messages they create."""
        self._store = store
        self._known: dict[tuple[str, str], KnownEvent | StoredEvent] = {
            **store.find_events(unique(draft.event_id for draft in drafts))
        }
        self.message_keys = {
            (known.conversation_id, known.message_id) for known in self._known.values()
        }
        """The messages that the stored events created or refer to."""
        self._parked: dict[tuple[str, str], ParkedEvent] = {}
        self._new: dict[tuple[str, str], ParkedEvent] = {}
        self._released: list[ParkedEvent] = []
        if store.has_parked:
            waiting = (
                *store.find_parked(message_keys(drafts)),
                *store.find_parked_events(unique(draft.event_id for draft in drafts)),
            )
            self._parked = {(each.source, each.event_id): each for each in waiting}

    def find(self, event: StoredEvent) -> Acknowledgement | None:
        """Acknowledge a duplicate or a conflict; None if the event is new."""
        key = (event.source, event.event_id)
        if (known := self._known.get(key)) is not None:
            return duplicate_or_conflict(event, known)
        if (parked := self._parked.get(key)) is not None:
            return duplicate_or_conflict_of_parked(event, parked)
        return None

    def accept(self, event: StoredEvent) -> Acknowledgement:
        """Remember an accepted event, and acknowledge it."""
        self._known[event.source, event.event_id] = event
        return acknowledge("accepted", event.event_id, event)

    def park(self, draft: Draft, event: StoredEvent, path: str, ttl: int) -> Acknowledgement:
        """Keep an event until its message arrives, for at most `ttl` microseconds."""
        parked = ParkedEvent(
            event.source,
            event.event_id,
            event.fingerprint,
            draft.conversation_id or "",
            draft.message_id or "",
            path,
            event.received_at,
            event.received_at + ttl,
            msgspec.json.encode(draft),
        )
        self._parked[event.source, event.event_id] = parked
        self._new[event.source, event.event_id] = parked
        return acknowledge_parked(parked)

    @property
    def has_parked(self) -> bool:
        """Whether any of these parked events still waits."""
        return bool(self._parked)

    def parked_for(self, keys: set[MessageKey]) -> list[ParkedEvent]:
        """Return the events that wait for these messages, in the order received."""
        return [parked for parked in self._parked.values() if parked.message_key in keys]

    def expired(self, now: int, limit: int) -> list[ParkedEvent]:
        """Return at most `limit` parked events whose message did not arrive in time."""
        released = {(each.source, each.event_id) for each in self._released}
        return [
            parked
            for parked in self._store.find_expired(now, limit)
            if (parked.source, parked.event_id) not in released
        ]

    def release(self, parked: ParkedEvent) -> None:
        """Release a parked event: it was accepted or rejected."""
        key = (parked.source, parked.event_id)
        self._parked.pop(key, None)
        if self._new.pop(key, None) is None:
            self._released.append(parked)

    def save(self) -> None:
        """Write new parked events to the store, and delete those released."""
        if self._new or self._released:
            self._store.save_parked(list(self._new.values()), self._released)
