"""The state of a contact: the person behind customers, across channels."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ingest.errors import (
    ContactExistsError,
    EventRejectedError,
    UnknownContactError,
    VersionMismatchError,
)
from ingest.events import payloads
from ingest.events.draft import Command, Draft
from ingest.events.projections import merge_patch
from ingest.events.stored_event import StoredEvent, decode_payload_as


class Address(Struct, frozen=True):
    """An address of a contact on a channel."""

    channel: str
    address: str


class Contact(Struct, array_like=True):
    """State of a contact. `version` is the position of the last event that changed it."""

    contact_id: str
    attributes: dict[str, object] = {}
    addresses: list[Address] = []
    merged_into: str | None = None
    version: int = 0


decode_contact = msgspec.msgpack.Decoder(Contact).decode


def decide_contact(
    draft: Draft, event: StoredEvent, contacts: Mapping[str, Contact], command: Command | None
) -> Contact:
    """Return the contact that the event changes; `apply` the event once it has its position.

    `contacts` are those that exist, of the ids that the draft names (`contact_ids`). A fact about an
    unknown contact creates it. Raises EventRejectedError or a subclass.
    """
    contact_id = event.contact_id or ""
    contact = contacts.get(contact_id)
    if draft.conversation_id is not None:
        raise EventRejectedError(
            "an event of a contact belongs to no conversation", "$.conversation_id"
        )
    if draft.event_type == "contact.merged":
        _check_merge(contact_id, contacts.get(_merged_into(draft) or ""))
    if command is not None:
        _check_command(draft, contact, command)
    return contact or Contact(contact_id)


def contact_ids(draft: Draft) -> list[str]:
    """Return the contacts that an event of a contact names: its own, and the one it was merged into."""
    return [each for each in (draft.contact_id, _merged_into(draft)) if each is not None]


def _merged_into(draft: Draft) -> str | None:
    into = (draft.payload or {}).get("into")
    return into if isinstance(into, str) else None


def _check_merge(contact_id: str, into: Contact | None) -> None:
    if into is None:
        raise UnknownContactError("there is no contact with this id", "$.payload.into")
    if into.contact_id == contact_id:
        raise EventRejectedError("a contact cannot be merged into itself", "$.payload.into")
    if into.merged_into == contact_id:
        raise EventRejectedError(
            "the other contact was merged into this one; unmerge it first", "$.payload.into"
        )


def _check_command(draft: Draft, contact: Contact | None, command: Command) -> None:
    if draft.event_type == "contact.created":
        if contact is not None:
            raise ContactExistsError("a contact with this id exists already", "$.contact_id")
    elif contact is None:
        raise UnknownContactError("there is no contact with this id", "contact_id")
    elif command.version is not None and command.version != contact.version:
        raise VersionMismatchError("the contact changed; read it again, then send your change")


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
                _add_address(contact, Address(linked.channel, linked.address))
        case "contact.merged":
            merged = decode_payload_as(event, payloads.ContactMerged)
            if merged is not None:
                contact.merged_into = merged.into
        case "contact.unmerged":
            contact.merged_into = None


def _add_address(contact: Contact, address: Address) -> None:
    if address not in contact.addresses:
        contact.addresses = [*contact.addresses, address]
