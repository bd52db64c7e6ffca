"""Contacts: the people behind customers, across channels."""

from typing import Any

import msgspec
from msgspec import Struct

from ingest.errors import (
    ContactExistsError,
    EventRejectedError,
    UnknownContactError,
    VersionMismatchError,
)
from ingest.events.draft import Command, Draft
from ingest.events.projections import merge_patch
from ingest.events.stored_event import StoredEvent, decode_payload


class Address(Struct, frozen=True):
    """How a contact is reached."""

    channel: str
    address: str


class Contact(Struct, array_like=True):
    """A person. `version` is the position of the last event that changed them."""

    contact_id: str
    attributes: dict[str, Any] = {}
    addresses: list[Address] = []
    merged_into: str | None = None
    version: int = 0


decode_contact = msgspec.msgpack.Decoder(Contact).decode


def decide_contact(
    draft: Draft, row: StoredEvent, contact: Contact | None, command: Command | None
) -> Contact:
    """The contact after the event; `apply` it once the row has its position.

    Facts of a contact that nobody created make one: the record does not lose what it was told.
    Raises EventRejectedError or a child of it.
    """
    if draft.conversation_id is not None:
        raise EventRejectedError(
            "an event of a contact belongs to no conversation", "$.conversation_id"
        )
    if command is not None:
        _refuse(draft, contact, command)
    return contact or Contact(row.contact_id or "")


def _refuse(draft: Draft, contact: Contact | None, command: Command) -> None:
    if draft.event_type == "contact.created":
        if contact is not None:
            raise ContactExistsError("a contact with this id exists already", "$.contact_id")
    elif contact is None:
        raise UnknownContactError("there is no contact with this id", "contact_id")
    elif command.version is not None and command.version != contact.version:
        raise VersionMismatchError("it was changed since; read it again, then send your change")


def apply(contact: Contact, row: StoredEvent) -> None:
    """Fold one stored event into its contact."""
    payload = decode_payload(row)
    contact.version = row.position
    match row.event_type:
        case "contact.created" | "contact.updated":
            if isinstance(given := payload.get("attributes"), dict):
                contact.attributes = merge_patch(contact.attributes, given)
        case "contact.linked":
            address = _address(row)
            if address is not None and address not in contact.addresses:
                contact.addresses = [*contact.addresses, address]
        case "contact.merged":
            contact.merged_into = payload.get("into")
        case "contact.unmerged":
            contact.merged_into = None


def _address(row: StoredEvent) -> Address | None:
    try:
        return msgspec.convert(decode_payload(row), Address)
    except msgspec.ValidationError:
        return None
