"""Contacts, as clients receive them. Unknown fields are ignored."""

from typing import Any

from msgspec import Struct


class ContactAddress(Struct):
    """A name by which a provider knows a person. `scope`: what it is unique in; mostly empty."""

    kind: str
    address: str
    scope: str = ""


class Contact(Struct):
    """A person behind customers."""

    contact_id: str
    attributes: dict[str, Any]
    addresses: list[ContactAddress]
    merged_into: str | None
    version: int


class MergeProposal(Struct):
    """Two contacts that may be one person, and the addresses that one call named together."""

    contact_id: str
    other_contact_id: str
    addresses: list[ContactAddress]
