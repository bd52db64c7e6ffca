"""The messages that one commit reads and changes."""

from collections.abc import Collection, Iterable

from ingest.contract import derived_id
from ingest.errors import UnreadableStateError, VersionMismatchError
from ingest.events import message_state
from ingest.events.command_rules import CHANGED_SINCE
from ingest.events.conversation_errors import MessageDeletedError, MessageExistsError
from ingest.events.draft import Command, Draft
from ingest.events.message_state import Message
from ingest.events.stored_event import StoredEvent, merge_payload
from ingest.events.types import rules_of
from ingest.log.records import CreatedMessage, MessageKey
from ingest.log.storage.store import Store


class MessageRepository:
    """Knows which messages exist, and saves those that changed after their creation."""

    def __init__(self, store: Store) -> None:
        """Start without messages."""
        self._store = store
        self._created: dict[MessageKey, CreatedMessage | StoredEvent] = {}
        self._states: dict[MessageKey, Message] = {}
        self._unreadable: dict[MessageKey, UnreadableStateError] = {}
        self._changed: dict[MessageKey, Message] = {}

    def load(self, named: Iterable[MessageKey], referred: Iterable[MessageKey]) -> None:
        """Load which of the `named` messages exist, and the states of those `referred` to."""
        self._created = {**self._store.find_created_messages(sorted(set(named)))}
        self._states, self._unreadable = self._store.find_messages(sorted(set(referred)))

    def exists(self, key: tuple[str, str | None]) -> bool:
        """Return whether this message was created."""
        return key in self._created

    def is_internal(self, event: StoredEvent) -> bool:
        """Return whether the event's message is internal."""
        created = self._created.get(_key(event))
        return created is not None and created.visibility == "internal"

    def replied_to(self, event: StoredEvent) -> CreatedMessage | StoredEvent | None:
        """Return the message that the event replies to."""
        return self._created.get((event.conversation_id or "", event.in_reply_to or ""))

    def assign_id(
        self, event: StoredEvent, taken: Collection[tuple[str | None, str | None]]
    ) -> None:
        """Give a new message its id: the given one, or that of its event.

        If another source's event of the same id created a message (`taken`), derive another id.
        Raises MessageExistsError.
        """
        if event.message_id is not None:
            if _key(event) in self._created:
                raise MessageExistsError(
                    "another message of this conversation has this message_id", "$.message_id"
                )
            return
        key = (event.conversation_id or "", event.event_id)
        if key in self._created or key in taken:
            name = f"message/{event.source}/{event.event_id}"
            event.message_id = derived_id(name)
        else:
            event.message_id = event.event_id

    def check_change(self, event: StoredEvent, command: Command | None) -> None:
        """Check an event that refers to a message against its state. Flag a fact that changes nothing.

        Raises VersionMismatchError if the message changed after the client read it, MessageDeletedError,
        UnreadableStateError.
        """
        if (error := self._unreadable.get(_key(event))) is not None:
            raise error
        state = self._states.get(_key(event))
        version = None if command is None else command.version
        if version is not None and version != (0 if state is None else state.version):
            raise VersionMismatchError(CHANGED_SINCE)
        if state is None or not state.is_deleted or not rules_of(event.event_type).requires_text:
            return
        if command is not None:
            raise MessageDeletedError("this message is deleted", "message_id")
        merge_payload(event, was_stale=True)

    def apply(self, event: StoredEvent) -> None:
        """Project an event that creates a message or refers to one."""
        key = _key(event)
        if event.event_type == "message.created":
            self._created[key] = event
        elif rules_of(event.event_type).refers_to_message:
            state = self._states.get(key) or Message(*key)
            message_state.apply(state, event)
            self._states[key] = self._changed[key] = state

    def save(self) -> None:
        """Write the changed messages to the store."""
        if self._changed:
            self._store.save_messages(list(self._changed.values()))


def message_keys(drafts: Iterable[Draft]) -> list[MessageKey]:
    """Return the keys of the messages that drafts name, sorted, each once."""
    return sorted(
        {
            (draft.conversation_id or "", draft.message_id or draft.event_id or "")
            for draft in drafts
        }
    )


def _key(event: StoredEvent) -> MessageKey:
    return event.conversation_id or "", event.message_id or ""
