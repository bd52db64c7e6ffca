"""Persons of providers with several channels, and which of their addresses a channel reaches."""

import re
from collections.abc import Iterable
from typing import Any

from ingest.channels.base import Address, AddressKind, Person
from ingest.channels.fields import present

_REACHED_BY: dict[str, tuple[AddressKind, ...]] = {
    "whatsapp": ("phone", "bsuid", "external_id"),
    "messenger": ("page_scoped_id",),
    "sms": ("phone", "external_id"),
    "rcs": ("phone", "external_id"),
    "viber": ("phone", "external_id"),
    "line": ("line_user",),
}

_NUMBERED = frozenset({"whatsapp", "rcs"})
"""Channels whose ids are numbers: another id without a scope is one of another system."""

_NUMBER = re.compile(r"\+?[0-9]{4,20}\Z")


def person_of(addresses: Iterable[Address], name: str | None, **attributes: Any) -> Person | None:
    """Return a person with each address once, or None without any. Attributes of None are left out."""
    found = tuple(dict.fromkeys(each for each in addresses if each.value))
    return Person(addresses=found, name=name, attributes=present(**attributes)) if found else None


def recipient(person: Person, channel: str) -> Address | None:
    """Return the person's first address that a channel reaches. An id of another system is none."""
    kinds = _REACHED_BY.get(channel, ("external_id",))
    reached = (each for each in person.addresses if each.kind in kinds)
    return next((each for each in reached if _is_of(each, channel)), None)


def unparsed_number(address: Address) -> str | None:
    """Return the number of a sender as the provider wrote it, where it is no phone number that we know of."""
    is_unparsed = address.kind == "external_id" and not address.scope
    return address.value if is_unparsed and _NUMBER.match(address.value) else None


def _is_of(address: Address, channel: str) -> bool:
    if address.kind != "external_id" or address.scope == channel:
        return True
    is_number = channel not in _NUMBERED or unparsed_number(address) is not None
    return not address.scope and is_number
