"""The conversations that one commit reads and changes."""

from collections.abc import Iterable, Iterator

from ingest.contract import derived_id
from ingest.errors import ForbiddenError
from ingest.events.conversation_errors import ConversationExistsError, UnknownConversationError
from ingest.events.conversation_state import Conversation
from ingest.events.draft import Draft
from ingest.events.stored_event import StoredEvent
from ingest.events.successors import create_successor
from ingest.events.types import rules_of
from ingest.log.storage.store import Store


class ConversationRepository:
    """Loads each conversation once, and saves those that changed."""

    def __init__(self, store: Store, conversation_ids: Iterable[str | None]) -> None:
        """Load the conversations that exist."""
        self._store = store
        self._states, self._unreadable = store.find_conversations(unique(conversation_ids))
        self._owners: dict[str, str] = {}
        self._changed: dict[str, Conversation] = {}
        self._created: list[tuple[Conversation, StoredEvent]] = []
        self._changed_keys: set[str] = set()
        self._changed_contacts: set[str] = set()

    def load_key_owners(self, drafts: Iterable[Draft]) -> None:
        """Load which conversations own the conversation keys that these drafts set."""
        self._owners = self._store.find_keys(unique(_conversation_key(draft) for draft in drafts))

    def get(self, conversation_id: str | None) -> Conversation | None:
        """Return a conversation that was loaded, or created in this commit.

        Raises UnreadableStateError.
        """
        state = self._states.get(conversation_id or "")
        if state is None and conversation_id in self._unreadable:
            raise self._unreadable[conversation_id]
        return state

    def load(self, conversation_ids: Iterable[str]) -> list[Conversation]:
        """Return the conversations that exist; load those that were not loaded."""
        ids = list(conversation_ids)
        states, unreadable = self._store.find_conversations(
            [key for key in ids if key not in self._states]
        )
        self._states |= states
        self._unreadable |= unreadable
        return [self._states[key] for key in ids if key in self._states]

    def existing(self, conversation_ids: Iterable[str]) -> set[str]:
        """Return those of these conversations that exist."""
        return {each.conversation_id for each in self.load(conversation_ids)}

    def successor_of(self, state: Conversation) -> Conversation | None:
        """Return the conversation that continues a closed one. Raises UnreadableStateError."""
        if state.successor_id is None:
            return None
        self.load([state.successor_id])
        return self.get(state.successor_id)

    def successors(self, conversation_id: str | None) -> Iterator[Conversation]:
        """Yield the successors of a conversation, as far as they can be read."""
        state = self._states.get(conversation_id or "")
        while state is not None and state.successor_id is not None:
            state = next(iter(self.load([state.successor_id])), None)
            if state is not None:
                yield state

    def postpone_unreadable(self, until: int) -> None:
        """Check the timers of conversations that cannot be read at `until` again."""
        self._store.postpone_checks(self._unreadable, until)

    def change(self, state: Conversation, created_by: StoredEvent | None = None) -> None:
        """Mark a conversation as changed, or as created by an event."""
        self._changed[state.conversation_id] = state
        key = state.conversation_key
        if key is not None and state.state != "closed":
            self._owners[key] = state.conversation_id
        elif key is not None and self._owners.get(key) == state.conversation_id:
            del self._owners[key]
        if created_by is not None:
            self._states[state.conversation_id] = state
            self._created.append((state, created_by))

    def change_key(self, state: Conversation) -> None:
        """Mark that the conversation's key may have changed."""
        self._changed_keys.add(state.conversation_id)

    def change_contact(self, state: Conversation) -> None:
        """Mark that the conversation's contact changed."""
        self._changed_contacts.add(state.conversation_id)

    def open_successor(
        self, event: StoredEvent, state: Conversation
    ) -> tuple[list[StoredEvent], Conversation]:
        """Redirect a customer's message to the successor of a closed conversation.

        Return the events that create the successor, if there was none, and the conversation that
        receives the message.
        """
        member = state.participants.get(event.participant_id or "")
        role = event.participant_role or (None if member is None else member.participant_role)
        events: list[StoredEvent] = []
        while role == "customer" and state.state == "closed":
            successor = self.successor_of(state)
            if successor is None:
                successor_id = self._free_successor_id(state.conversation_id)
                key = state.conversation_key
                is_free = key is not None and self._owner_of(key) is None
                events, successor = create_successor(
                    state, event, successor_id, key if is_free else None
                )
                self.change(state)
                self.change(successor, events[0])
            state = successor
        event.conversation_id = state.conversation_id
        return events, state

    def _free_successor_id(self, conversation_id: str) -> str:
        """Return the same id for the same conversation, unless a client used it."""
        number = 1
        while True:
            name = f"successor/{conversation_id}" + (f"/{number}" if number > 1 else "")
            successor_id = derived_id(name)
            if not self.load([successor_id]) and successor_id not in self._unreadable:
                return successor_id
            number += 1

    def check_channel(self, draft: Draft, channels: frozenset[str]) -> None:
        """Reject a draft for a conversation of a channel that the API key does not have.

        The answer is the same as for a conversation that does not exist. Raises
        UnknownConversationError, ForbiddenError.
        """
        state = self.get(draft.conversation_id)
        while state is not None:
            if state.channel not in channels:
                raise UnknownConversationError("create the conversation first", "$.conversation_id")
            # A message to a closed conversation may reach its successors.
            state = self.successor_of(state)
        if draft.channel is not None and draft.channel not in channels:
            raise ForbiddenError("this key is not for this channel", "$.channel")

    def check_key(self, draft: Draft, state: Conversation | None) -> None:
        """Raise ConversationExistsError if another open conversation has the draft's conversation key."""
        key = _conversation_key(draft)
        owner = None if key is None else self._owner_of(key)
        if owner is not None and (state is None or owner != state.conversation_id):
            raise ConversationExistsError(
                "another open conversation has this key; `conversation_id` names it",
                "$.payload.conversation_key",
                conversation_id=owner,
            )

    def _owner_of(self, key: str) -> str | None:
        """Return the open conversation with this key."""
        if key not in self._owners:
            self._owners |= self._store.find_keys([key])
        owner = self._owners.get(key)
        state = self._states.get(owner or "")
        return None if state is not None and state.state == "closed" else owner

    def save(self, now: int) -> None:
        """Write the changed conversations to the store. Their events have positions."""
        for state, event in self._created:
            state.created_position = event.position
        created = {state.conversation_id for state, _ in self._created}
        self._store.save_conversations(
            list(self._changed.values()), created, self._changed_keys, now
        )
        self._store.save_contact_ids(
            [self._changed[key] for key in self._changed_contacts if key not in created]
        )


def unique(values: Iterable[str | None]) -> list[str]:
    """Return each value once, sorted, without None."""
    return sorted({value for value in values if value is not None})


def _conversation_key(draft: Draft) -> str | None:
    if draft.payload is None or rules_of(draft.event_type).about != "conversation":
        return None
    key = draft.payload.get("conversation_key")
    return key if isinstance(key, str) else None
