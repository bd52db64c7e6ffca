"""The contacts that the addresses of one call lead to, and the drafts that change them.

The store is read once, when the directory is opened. A draft changes the directory at once, by the same fold as the log, so
a later item of the call sees what an earlier one did.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Engine, select

from ingest.channels.base import Address
from ingest.contract import derived_id
from ingest.events import contact_state
from ingest.events.contact_state import Contact, root_of
from ingest.events.draft import Draft
from ingest.events.stored_event import from_draft
from ingest.identity.binding import key_of
from ingest.log.storage.keyed_rows import KeyedQuery, KeyedRows, Reader
from ingest.log.storage.state_reader import read_contact
from ingest.log.storage.tables import contact_addresses, contacts

REASSIGNED_KINDS = ("phone", "email")
"""Kinds that another person may get later: a former one does not say who writes."""


_STATE = (contacts.c.contact_id, contacts.c.projection)
_OWNERS = KeyedQuery(
    select(contact_addresses.c.value, *_STATE).join(
        contacts, contacts.c.contact_id == contact_addresses.c.contact_id
    ),
    contact_addresses.c.value,
)
_BY_ID = KeyedQuery(select(contacts.c.contact_id, *_STATE), contacts.c.contact_id)
_MERGED_INTO = KeyedQuery(select(contacts.c.merged_into, *_STATE), contacts.c.merged_into)


class ContactRows:
    """Contacts as the store has them, read once for several calls."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        """`engine` only reads; it projects a damaged state again."""
        self.engine = engine
        self.owners = KeyedRows(reader, _OWNERS)
        """By the value of an address."""
        self.by_id = KeyedRows(reader, _BY_ID)
        self.merged_into = KeyedRows(reader, _MERGED_INTO)

    def preload(self, addresses: Collection[Address], *, reads_merged: bool) -> None:
        """Read at once what directories of these addresses need."""
        found = self.owners.get([each.value for each in addresses])
        if reads_merged:
            self.merged_into.get([contact_id for _, contact_id, _ in found])


class Directory:
    """Contacts by address, as the log has them and as the drafts of this call leave them."""

    def __init__(
        self, rows: ContactRows, addresses: Collection[Address], *, reads_merged: bool = True
    ) -> None:
        """Read the contacts of these addresses, and those that they are merged into.

        `reads_merged`: also the contacts that are merged into one of them.
        """
        self._rows = rows
        self._contacts: dict[str, Contact] = {}
        self._add(rows.owners.get([each.value for each in addresses]))
        self._add_merged(reads_merged)

    def _add_merged(self, reads_merged: bool) -> None:
        """Add the contacts that those known are merged into, and with `reads_merged` those merged into one of them."""
        fresh = set(self._contacts)
        while fresh and (reads_merged or any(self._contacts[each].merged_into for each in fresh)):
            known = set(self._contacts)
            above = {self._contacts[each].merged_into or "" for each in fresh} - known - {""}
            self._add(self._rows.by_id.get(above))
            if reads_merged:
                self._add(self._rows.merged_into.get(fresh | above))
            fresh = self._contacts.keys() - known

    def _add(self, rows: Iterable[Sequence[Any]]) -> None:
        for _, contact_id, projection in rows:
            if contact_id not in self._contacts:
                contact = read_contact(self._rows.engine, contact_id, projection)
                self._contacts[contact_id] = contact

    def owner(self, address: Address) -> Contact | None:
        """Return the contact that has this address; of several, the one that had it first.

        A former address says who it is too, unless numbers of its kind are assigned to others.
        """
        key = key_of(address)
        owners = [each for each in self._contacts.values() if each.has(key)]
        if len(owners) > 1:
            return min(owners, key=lambda each: (each.linked_at(key), each.contact_id))
        if owners:
            return owners[0]
        former = [each for each in self._contacts.values() if key in each.keys()]  # noqa: SIM118 - no mapping
        is_reassigned = address.kind in REASSIGNED_KINDS
        return None if is_reassigned else min(former, key=lambda each: each.version, default=None)

    def get(self, contact_id: str) -> Contact | None:
        """Return a contact that was read or created."""
        return self._contacts.get(contact_id)

    def root(self, contact: Contact) -> Contact:
        """Return the contact that this one is merged into; itself if it stands alone."""
        return root_of(contact, self._contacts)

    def merged(self, contact: Contact) -> list[Contact]:
        """Return this contact and every contact that is the same person by merges."""
        if len(self._contacts) == 1:
            return list(self._contacts.values())
        root = self.root(contact)
        return [each for each in self._contacts.values() if self.root(each) is root]

    def free_id(self, address: Address) -> str:
        """Return the id of a new contact with this address: the same for every process that asks.

        The contact that once began with this address, and lost it, keeps its id. One that another process created since
        the directory was read is found by `get` from now on.
        """
        name = f"contact/{address.kind}/{address.scope}/{address.value}"
        for contact_id in _numbered_ids(name):
            if contact_id in self._contacts:
                continue
            self._add(self._rows.by_id.get([contact_id]))
            found = self._contacts.get(contact_id)
            if found is None or found.has(key_of(address)):
                return contact_id
        raise AssertionError("there is always a free id")

    def apply(self, drafts: Iterable[Draft]) -> None:
        """Change the contacts as the log will when it accepts these drafts."""
        for draft in drafts:
            contact_id = draft.contact_id or ""
            event = from_draft(draft, "", 0, draft.event_id or "")
            contact = self._contacts.setdefault(contact_id, Contact(contact_id))
            event.position = (
                contact.version
            )  # unknown before the commit; ids are derived from the stored one
            contact_state.apply(contact, event)


def _numbered_ids(name: str) -> Iterator[str]:
    for number in count(1):
        yield derived_id(name if number == 1 else f"{name}/{number}")
