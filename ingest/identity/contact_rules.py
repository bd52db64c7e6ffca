"""Ordered rules: which contact a person is, and the events that say so.

No contact has an address of the person: a new contact. One has: its contact, which gets the other addresses. Several have:
the contact of the first address, and a proposal to merge. Nothing is ever merged without a person's decision.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ingest.channels.base import Address, AddressChangeItem, Item, Person
from ingest.contract import derived_id, from_micros
from ingest.events.contact_state import Contact
from ingest.events.draft import EARLIEST_HAPPENED_AT, Draft
from ingest.identity.binding import STABLE_KINDS, key_of, with_dialled
from ingest.identity.directory import Directory


class Origin(Struct, frozen=True):
    """Where a fact about a contact came from."""

    channel: str
    channel_account: str
    happened_at: datetime | None


def happened_at(item: Item) -> datetime | None:
    """Return the provider's time; None if its clock is broken, so that the log takes its own."""
    at = item.happened_at
    return None if at is None or at < EARLIEST_HAPPENED_AT else from_micros(at)


def identify(
    person: Person, directory: Directory, origin: Origin
) -> tuple[Contact | None, list[Draft]]:
    """Return the contact of a person, and the drafts that the log needs to agree.

    None for a person without an address. The drafts are applied to the directory.
    """
    addresses = [each for each in with_dialled(person.addresses) if each.value]
    if not addresses:
        return None, []
    owners = [directory.owner(each) for each in addresses]
    contact = next((each for each in owners if each is not None), None)
    drafts: list[Draft] = []
    if contact is None:
        contact_id = directory.free_id(_primary(addresses))
        if directory.get(contact_id) is not None:  # created a moment ago
            return identify(person, directory, origin)
        contact = Contact(contact_id)
        drafts.append(_created(contact, person, origin))
    elif (missing := _missing_attributes(contact, person)) != {}:
        drafts.append(_draft("contact.updated", contact, origin, {"attributes": missing}))
    if not drafts and all(owner is contact for owner in owners):
        return contact, []
    unowned = [each for each, owner in zip(addresses, owners, strict=True) if owner is None]
    drafts += [_linked(contact, each, origin) for each in dict.fromkeys(unowned)]
    drafts += _proposals(contact, addresses, owners, directory, origin)
    directory.apply(drafts)
    return directory.get(contact.contact_id), drafts


def move(
    item: AddressChangeItem, directory: Directory, origin: Origin
) -> tuple[Contact | None, list[Draft]]:
    """Return the contact whose address changed, and the drafts that move it. The old address stays known."""
    named = item.person.addresses if item.person is not None else ()
    owner = directory.owner(item.old)
    addresses = tuple(dict.fromkeys((item.new, *named)))
    others = tuple(each for each in addresses if each != item.old)
    first = (item.old,) if owner is not None else ()
    name = None if item.person is None else item.person.name
    contact, drafts = identify(Person(addresses=(*first, *others), name=name), directory, origin)
    if contact is not None and owner is not None and contact.has(key_of(item.old)):
        unlinked = _draft(
            "contact.unlinked", contact, origin, _named(item.old) | {"reason": "moved"}
        )
        directory.apply([unlinked])
        drafts.append(unlinked)
    return contact, drafts


def _primary(addresses: Sequence[Address]) -> Address:
    return next((each for each in addresses if each.kind in STABLE_KINDS), addresses[0])


def _created(contact: Contact, person: Person, origin: Origin) -> Draft:
    attributes = _attributes(person)
    return _draft(
        "contact.created", contact, origin, {"attributes": attributes} if attributes else None
    )


def _attributes(person: Person) -> dict[str, Any]:
    return ({"name": person.name} if person.name else {}) | dict(person.attributes)


def _missing_attributes(contact: Contact, person: Person) -> dict[str, Any]:
    """Return what the contact does not know yet. What an agent wrote is not replaced by a profile."""
    given = _attributes(person)
    return {name: value for name, value in given.items() if name not in contact.attributes}


def _linked(contact: Contact, address: Address, origin: Origin) -> Draft:
    return _draft("contact.linked", contact, origin, {"channel": origin.channel} | _named(address))


def _named(address: Address) -> dict[str, Any]:
    named = {"kind": address.kind, "address": address.value}
    return named | ({"scope": address.scope} if address.scope else {})


def _proposals(
    contact: Contact,
    addresses: Sequence[Address],
    owners: Sequence[Contact | None],
    directory: Directory,
    origin: Origin,
) -> list[Draft]:
    """Return a proposal for each other person that the addresses lead to, once for two contacts."""
    root = directory.root(contact)
    others = {
        other.contact_id: other
        for owner in owners
        if owner is not None and (other := directory.root(owner)) is not root
    }
    return [
        _draft(
            "contact.merge_proposed",
            root,
            origin,
            {
                "other_contact_id": other.contact_id,
                "addresses": [_named(each) for each in addresses],
            },
            "/".join(sorted((root.contact_id, other.contact_id))),
        )
        for other in others.values()
        if not _is_proposed(root, other) and not _is_proposed(other, root)
    ]


def _is_proposed(contact: Contact, other: Contact) -> bool:
    return any(each.other_contact_id == other.contact_id for each in contact.proposals)


def _draft(
    event_type: str,
    contact: Contact,
    origin: Origin,
    payload: dict[str, Any] | None,
    name: str | None = None,
) -> Draft:
    """Return a draft whose id two processes that know the same contact derive alike."""
    if name is None:
        content = msgspec.json.encode(payload, order="sorted").decode()
        name = f"{contact.contact_id}/{contact.version}/{content}"
    return Draft(
        event_type=event_type,
        event_id=derived_id(f"{event_type}/{name}"),
        contact_id=contact.contact_id,
        channel=origin.channel,
        channel_account=origin.channel_account,
        happened_at=origin.happened_at,
        payload=payload,
    )
