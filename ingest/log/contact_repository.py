"""The contacts that one commit reads and changes."""

from collections.abc import Iterable

from ingest.errors import UnreadableStateError, VersionMismatchError
from ingest.events import contact_state
from ingest.events.command_rules import CHANGED_SINCE
from ingest.events.contact_state import Contact, contact_ids, decide_contact
from ingest.events.draft import Command, Draft
from ingest.events.stored_event import StoredEvent
from ingest.events.types import rules_of
from ingest.log.conversation_repository import unique
from ingest.log.storage.store import Store


class ContactRepository:
    """Loads each contact once, and saves those that changed."""

    def __init__(self, store: Store) -> None:
        """Start without contacts."""
        self._store = store
        self._contacts: dict[str, Contact] = {}
        self._unreadable: dict[str, UnreadableStateError] = {}
        self._changes: list[tuple[Contact, StoredEvent]] = []

    def load(self, drafts: Iterable[Draft]) -> None:
        """Load the contacts that these drafts change, and those that they were merged into."""
        missing = unique(
            contact_id
            for draft in drafts
            if rules_of(draft.event_type).stream == "contact"
            for contact_id in contact_ids(draft)
        )
        while missing:
            found, unreadable = self._store.find_contacts(missing)
            self._contacts |= found
            self._unreadable |= unreadable
            known = self._contacts.keys() | self._unreadable.keys()
            missing = [
                each
                for each in unique(each.merged_into for each in found.values())
                if each not in known
            ]

    def decide(self, draft: Draft, event: StoredEvent, command: Command | None) -> None:
        """Accept an event of a contact. Raises EventRejectedError or a subclass."""
        for contact_id in contact_ids(draft):
            if contact_id in self._unreadable:
                raise self._unreadable[contact_id]
        is_versioned = command is not None and command.version is not None
        if is_versioned and any(
            event.contact_id == contact.contact_id for contact, _ in self._changes
        ):
            # A version is a position, which this commit has not assigned yet.
            raise VersionMismatchError(CHANGED_SINCE)
        contact = decide_contact(draft, event, self._contacts, command)
        self._contacts[contact.contact_id] = contact
        self._changes.append((contact, event))

    def save(self) -> None:
        """Project the events, which have positions, and write the contacts to the store."""
        if not self._changes:
            return
        for contact, event in self._changes:
            contact_state.apply(contact, event)
        self._store.save_contacts(
            list({contact.contact_id: contact for contact, _ in self._changes}.values())
        )
