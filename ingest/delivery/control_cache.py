"""Who has control of each conversation, for the events that are delivered.

A bot that gets an event by webhook or WebSocket finds in it the epoch that its reply has to name.
"""

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
from cachetools import LRUCache
from sqlalchemy import Engine

from ingest.errors import UnreadableStateError
from ingest.events import payloads
from ingest.events.conversation_state import NO_OWNER, Control
from ingest.events.stored_event import StoredEvent, decode_payload_as
from ingest.log import queries

CACHED_CONVERSATIONS = 50_000


class ControlCache:
    """The control of conversations: read from the store once, then kept by `control.changed`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Start empty. `engine` only reads."""
        self._engine = engine
        self._control: LRUCache[str, Control] = LRUCache(CACHED_CONVERSATIONS)
        self._lock = threading.Lock()
        self._joins = 0
        """Number of committed events of bots and agents: each may bring the first owner of control."""

    def update(self, events: Sequence[StoredEvent]) -> None:
        """Project the changes of control among committed events."""
        for event in events:
            if event.conversation_id is None:
                continue
            if event.event_type == "control.changed":
                changed = decode_payload_as(event, payloads.ControlChanged)
                if changed is not None:
                    control = Control(changed.owner, changed.participant_id, changed.epoch)
                    with self._lock:
                        self._keep_newest(event.conversation_id, control)
            elif event.participant_role in ("bot", "agent"):
                self._forget_missing_owner(event.conversation_id)

    def get(self, conversation_id: str) -> Control | None:
        """Return who has control now; None if the conversation cannot be read."""
        with self._lock:
            known, joins = self._control.get(conversation_id), self._joins
        if known is not None:
            return known
        try:
            state = queries.get_conversation(self._engine, conversation_id)
        except UnreadableStateError:
            return None
        if state is None:
            return None
        # Meanwhile a bot may have joined, which no event of control reports.
        with self._lock:
            if state.control.owner != NO_OWNER or joins == self._joins:
                self._keep_newest(conversation_id, state.control)
        return state.control

    def add_to(self, event: dict[str, Any], conversation_id: str | None) -> dict[str, Any]:
        """Return the event with `control`: owner, participant_id and epoch. A withheld event stays as it is."""
        if conversation_id is None or "withheld" in event:
            return event
        control = self.get(conversation_id)
        if control is None:
            return event
        return event | {"control": msgspec.structs.asdict(control)}

    def _forget_missing_owner(self, conversation_id: str) -> None:
        """Read the conversation again: the first bot or agent gets control without an event."""
        with self._lock:
            self._joins += 1
            known = self._control.get(conversation_id)
            if known is not None and known.owner == NO_OWNER:
                del self._control[conversation_id]

    def _keep_newest(self, conversation_id: str, control: Control) -> None:
        """Remember a control unless a newer one is known: an epoch never falls. The caller has the lock."""
        known = self._control.get(conversation_id)
        if known is None or control.epoch >= known.epoch:
            self._control[conversation_id] = control
