"""The state of a contact: the person behind customers, across channels."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct, structs

from ingest.errors import EventRejectedError, VersionMismatchError
from ingest.events import payloads
from ingest.events.conversation_errors import (
    ContactExistsError,
    UnknownContactError,
    UnknownProposalError,
)
from ingest.events.draft import Command, Draft
from ingest.events.projections import merge_patch
from ingest.events.stored_event import StoredEvent, decode_payload_as

_OLD_NUMBER = re.compile(r"\+?[0-9 ().-]{8,}\Z")


class Address(Struct, frozen=True):
    """An address of a contact, and the channel on which it was linked.

    `kind`, `address` and `scope` identify it. `linked_at` is the position of the event that linked it.
    """

    channel: str
    address: str
    kind: str = "external_id"
    scope: str = ""
    linked_at: int = 0

    @property
    def key(self) -> "AddressKey":
        """What the address is found by."""
        return AddressKey(self.kind, self.address, self.scope)


class AddressKey(NamedTuple):
    """A name by which a provider knows a person, unique within `scope`."""

    kind: str
    value: str
    scope: str


class MergeProposal(Struct, frozen=True, omit_defaults=True):
    """Another contact that may be the same person; `proposed_at` is the position of the event.

    A declined proposal is kept, so that the pair is not proposed again.
    """

    other_contact_id: str
    addresses: list[AddressKey]
    proposed_at: int
    is_declined: bool = False


class Contact(Struct, array_like=True):
    """State of a contact. `version` is the position of the last event that changed it."""

    contact_id: str
    attributes: dict[str, object] = {}
    addresses: list[Address] = []
    merged_into: str | None = None
    version: int = 0
    former_addresses: list[Address] = []
    proposals: list[MergeProposal] = []

    def has(self, key: AddressKey) -> bool:
        """Return whether this address is the contact's now."""
        kind, value, scope = key
        for each in self.addresses:
            if each.address == value and each.kind == kind and each.scope == scope:
                return True
        return False

    def linked_at(self, key: AddressKey) -> int:
        """Return the position at which this address was first linked, of those that the contact has now."""
        return min(each.linked_at for each in self.addresses if each.key == key)

    def proposal_of(self, other_contact_id: str) -> MergeProposal | None:
        """Return the proposal that waits for a decision about another contact, or None."""
        waiting = (each for each in self.proposals if not each.is_declined)
        return next((each for each in waiting if each.other_contact_id == other_contact_id), None)

    def keys(self) -> dict[AddressKey, bool]:
        """Return what the contact is found by, and whether it has this address now."""
        former = dict.fromkeys((each.key for each in self.former_addresses), False)
        return former | dict.fromkeys((each.key for each in self.addresses), True)


decode_contact = msgspec.msgpack.Decoder(Contact).decode


def decide_contact(
    draft: Draft, event: StoredEvent, contacts: Mapping[str, Contact], command: Command | None
) -> Contact:
    """Return the contact that the event changes; `apply` the event once it has its position.

    `contacts` are those that exist, of the ids that the draft names (`contact_ids`), and those that they
    were merged into. A fact about an unknown contact creates it. Raises EventRejectedError or a subclass.
    """
    contact_id = event.contact_id or ""
    contact = contacts.get(contact_id)
    if draft.conversation_id is not None:
        raise EventRejectedError(
            "an event of a contact belongs to no conversation", "$.conversation_id"
        )
    if draft.event_type == "contact.merged":
        _check_merge(contact_id, contacts.get(_merged_into(draft) or ""), contacts)
    if command is not None:
        _check_command(draft, contact, command)
    return contact or Contact(contact_id)


def contact_ids(draft: Draft) -> list[str]:
    """Return the contacts that an event of a contact names: its own, and the one it was merged into."""
    return [each for each in (draft.contact_id, _merged_into(draft)) if each is not None]


def _merged_into(draft: Draft) -> str | None:
    into = (draft.payload or {}).get("into")
    return into if isinstance(into, str) else None


def _check_merge(contact_id: str, into: Contact | None, contacts: Mapping[str, Contact]) -> None:
    if into is None:
        raise UnknownContactError("there is no contact with this id", "$.payload.into")
    if into.contact_id == contact_id:
        raise EventRejectedError("a contact cannot be merged into itself", "$.payload.into")
    if root_of(into, contacts).contact_id == contact_id:
        raise EventRejectedError(
            "the other contact was merged into this one; unmerge it first", "$.payload.into"
        )


def root_of(contact: Contact, contacts: Mapping[str, Contact]) -> Contact:
    """Return the contact that this one was merged into, directly or through others."""
    seen = set()
    while contact.contact_id not in seen:
        seen.add(contact.contact_id)
        contact = contacts.get(contact.merged_into or "", contact)
    return contact


def _check_command(draft: Draft, contact: Contact | None, command: Command) -> None:
    if draft.event_type == "contact.created":
        if contact is not None:
            raise ContactExistsError("a contact with this id exists already", "$.contact_id")
    elif contact is None:
        raise UnknownContactError("there is no contact with this id", "contact_id")
    elif command.version is not None and command.version != contact.version:
        raise VersionMismatchError("the contact changed; read it again, then send your change")
    elif draft.event_type == "contact.merge_declined" and not _is_proposed(draft, contact):
        raise UnknownProposalError("no proposal of this contact names the other one and waits")


def _is_proposed(draft: Draft, contact: Contact) -> bool:
    other = (draft.payload or {}).get("other_contact_id")
    return contact.proposal_of(str(other)) is not None


def apply(contact: Contact, event: StoredEvent) -> None:
    """Project a stored event onto its contact."""
    contact.version = event.position
    match event.event_type:
        case "contact.created" | "contact.updated":
            described = decode_payload_as(event, payloads.ContactDescribed)
            if described is not None and described.attributes is not None:
                contact.attributes = merge_patch(contact.attributes, described.attributes)
        case "contact.linked":
            linked = decode_payload_as(event, payloads.ContactLinked)
            if linked is not None:
                _link(contact, linked, event.position)
        case "contact.unlinked":
            unlinked = decode_payload_as(event, payloads.ContactUnlinked)
            if unlinked is not None:
                _unlink(contact, _key(unlinked))
        case "contact.merge_proposed":
            proposed = decode_payload_as(event, payloads.ContactMergeProposed)
            if proposed is not None:
                _propose(contact, proposed, event.position)
        case "contact.merge_declined":
            declined = decode_payload_as(event, payloads.ContactMergeDeclined)
            if declined is not None:
                _decline(contact, declined.other_contact_id)
        case "contact.merged":
            merged = decode_payload_as(event, payloads.ContactMerged)
            if merged is not None:
                contact.merged_into = merged.into
        case "contact.unmerged":
            contact.merged_into = None


def _link(contact: Contact, linked: payloads.ContactLinked, position: int) -> None:
    key = _key_of_older(linked) if linked.kind is None else _key(linked)
    address = Address(linked.channel, key.value, key.kind, key.scope, position)
    contact.former_addresses = [
        each for each in contact.former_addresses if each.key != address.key
    ]
    known = {(each.channel, each.key) for each in contact.addresses}
    if (address.channel, address.key) not in known:
        contact.addresses = [*contact.addresses, address]


def _key_of_older(linked: payloads.ContactLinked) -> AddressKey:
    """Return what identifies an address that was linked without its kind: mail and numbers are recognised."""
    text = _stored(linked.address.strip())
    if linked.channel == "email":
        return AddressKey("email", text.lower(), "")
    if _OLD_NUMBER.match(text):
        return AddressKey("phone", "+" + re.sub(r"[^0-9]", "", text), "")
    return AddressKey("external_id", text, _stored(linked.scope))


def _unlink(contact: Contact, key: AddressKey) -> None:
    former = [each for each in contact.addresses if each.key == key]
    contact.addresses = [each for each in contact.addresses if each.key != key]
    contact.former_addresses = [*contact.former_addresses, *former]


def _propose(contact: Contact, proposed: payloads.ContactMergeProposed, position: int) -> None:
    others = {each.other_contact_id for each in contact.proposals}
    if proposed.other_contact_id not in others:
        addresses = [_key(each) for each in proposed.addresses]
        proposal = MergeProposal(proposed.other_contact_id, addresses, position)
        contact.proposals = [*contact.proposals, proposal]


def _decline(contact: Contact, other_contact_id: str) -> None:
    contact.proposals = [
        structs.replace(each, is_declined=True)
        if each.other_contact_id == other_contact_id
        else each
        for each in contact.proposals
    ]


def _key(
    address: payloads.ContactLinked | payloads.ContactUnlinked | payloads.SharedAddress,
) -> AddressKey:
    kind = address.kind or "external_id"
    return AddressKey(kind, _stored(address.address), _stored(address.scope))


def _stored(text: str) -> str:
    """Return the text as an index can hold it: PostgreSQL has no NUL."""
    return text.replace("\0", "\ufffd")
