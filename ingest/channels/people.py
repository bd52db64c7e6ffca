"""Persons of providers with several channels, and which of their addresses a channel reaches."""

from collections.abc import Iterable
from typing import Any

from ingest.channels.base import Address, AddressKind, Person
from ingest.channels.fields import present

_REACHED_BY: dict[str, tuple[AddressKind, ...]] = {
    "whatsapp": ("phone", "bsuid"),
    "messenger": ("page_scoped_id",),
    "sms": ("phone", "external_id"),
    "rcs": ("phone",),
    "viber": ("phone", "external_id"),
    "line": ("line_user",),
}


def person_of(addresses: Iterable[Address], name: str | None, **attributes: Any) -> Person | None:
    """Return a person with each address once, or None without any. Attributes of None are left out."""
    found = tuple(dict.fromkeys(each for each in addresses if each.value))
    return Person(addresses=found, name=name, attributes=present(**attributes)) if found else None


def recipient(person: Person, channel: str) -> Address | None:
    """Return the person's first address that a channel reaches. An id of another system is none."""
    kinds = _REACHED_BY.get(channel, ("external_id",))
    reached = (each for each in person.addresses if each.kind in kinds)
    return next((each for each in reached if _is_of(each, channel)), None)


def _is_of(address: Address, channel: str) -> bool:
    return address.kind != "external_id" or address.scope in ("", channel)
