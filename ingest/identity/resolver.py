"""Who wrote an item, and which conversation it belongs to.

Reads only. What the log must learn is returned as drafts, and as a field of the item's own payload, so the
commit that stores them projects it, and a rebuild restores it. All ids are derived: two processes that
resolve the first messages of a person at the same moment name the same contact and the same conversation.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Engine

from ingest.channels.base import Account, Address, AddressChangeItem, Item
from ingest.clock import Clock
from ingest.events.contact_state import Contact
from ingest.events.draft import Draft
from ingest.identity.assignment import Assignment
from ingest.identity.binding import BindingSettings, addresses_of
from ingest.identity.contact_rules import Origin, happened_at, identify, move
from ingest.identity.conversations import ConversationRows, Conversations, thread_names
from ingest.identity.directory import ContactRows, Directory
from ingest.log.storage.keyed_rows import EngineReader, Reader


class Resolution(Struct, frozen=True, kw_only=True):
    """Who wrote an item, and where it belongs; None: the item does not say.

    Append `drafts` before the item's own draft. Merge `payload` into the payload of the item's message:
    it depends on the item alone, so a redelivery has the same.
    """

    channel: str
    contact_id: str | None = None
    participant_id: str | None = None
    conversation_id: str | None = None
    drafts: tuple[Draft, ...] = ()
    payload: dict[str, Any] = {}


class Unresolved(Struct, frozen=True):
    """The items of one call, in their order."""

    account: Account
    settings: BindingSettings
    items: Sequence[Item]


class Resolver:
    """Resolves the items of provider calls. Thread-safe: it has no state."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Read contacts and conversations from `engine`."""
        self._engine = engine
        self._clock = clock

    def resolve(
        self, account: Account, settings: BindingSettings, items: Sequence[Item]
    ) -> list[Resolution]:
        """Resolve the items of one call, in their order. A later item sees what an earlier one did."""
        return self.resolve_all([Unresolved(account, settings, items)])[0]

    def resolve_all(
        self, calls: Sequence[Unresolved], reader: Reader | None = None
    ) -> list[list[Resolution]]:
        """Resolve each call as `resolve` does; none sees what another one did.

        The store is read once for all of them, through `reader` if there is one.
        """
        reader = reader or EngineReader(self._engine)
        contacts = ContactRows(self._engine, reader)
        for reads_merged in (False, True):
            some = [each for each in calls if _reads_merged(each) == reads_merged]
            contacts.preload(
                [each for call in some for each in _addresses(call)], reads_merged=reads_merged
            )
        identified = [_IdentifiedCall(each, contacts) for each in calls]
        conversations = ConversationRows(self._engine, reader)
        conversations.at_keys.get([name for each in identified for name in each.thread_names])
        now = self._clock()
        return [each.assign(conversations, now) for each in identified]


class _IdentifiedCall:
    """A call whose people are known."""

    def __init__(self, call: Unresolved, contacts: ContactRows) -> None:
        self._call = call
        account, settings = call.account, call.settings
        directory = Directory(contacts, _addresses(call), reads_merged=_reads_merged(call))
        self._people = [_find_contact(item, directory, account) for item in call.items]
        self._assignments = [
            Assignment(account, settings, item, contact, directory)
            for item, (contact, _) in zip(call.items, self._people, strict=True)
        ]
        keys = {
            key
            for each in self._assignments
            for key in (*each.keys.threads, *each.keys.bindings, *each.keys.earlier)
        }
        self.thread_names = thread_names(account.account_id, keys)

    def assign(self, rows: ConversationRows, now: int) -> list[Resolution]:
        """Assign each item to a conversation."""
        known = Conversations(rows, self._call.account.account_id, self.thread_names)
        return [
            _resolve(item, contact, drafts, assignment, known, now)
            for item, (contact, drafts), assignment in zip(
                self._call.items, self._people, self._assignments, strict=True
            )
        ]


def _addresses(call: Unresolved) -> list[Address]:
    return [each for item in call.items for each in addresses_of(item)]


def _reads_merged(call: Unresolved) -> bool:
    return call.settings.by == "contact" or call.settings.has_threads


def _find_contact(
    item: Item, directory: Directory, account: Account
) -> tuple[Contact | None, list[Draft]]:
    origin = Origin(item.channel or account.channel, account.account_id, happened_at(item))
    if isinstance(item, AddressChangeItem):
        return move(item, directory, origin)
    return (None, []) if item.person is None else identify(item.person, directory, origin)


def _resolve(
    item: Item,
    contact: Contact | None,
    drafts: Sequence[Draft],
    assignment: Assignment,
    known: Conversations,
    now: int,
) -> Resolution:
    is_message = not isinstance(item, AddressChangeItem)
    state = assignment.assign(known, now) if is_message else None
    return Resolution(
        channel=assignment.channel,
        contact_id=None if contact is None else contact.contact_id,
        participant_id=None if state is None else assignment.member_of(state),
        conversation_id=None if state is None else state.conversation_id,
        drafts=(*drafts, *assignment.drafts),
        payload={"thread": list(assignment.keys.threads)} if assignment.keys.threads else {},
    )
