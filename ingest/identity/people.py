"""How a person is reached: by the addresses of a contact, and of all contacts that are merged with it."""

from typing import cast

from sqlalchemy import Engine

from ingest.channels.base import Address, AddressKind, Person
from ingest.log import contact_queries, queries


def person_of(engine: Engine, contact_id: str) -> Person | None:
    """Return a person with every current address; None if there is no such contact.

    The addresses of this contact come before those of merged ones, and later links before earlier ones.
    """
    contact = queries.get_contact(engine, contact_id)
    if contact is None:
        return None
    ids = contact_queries.merged_ids(engine, contact_id)
    others = [queries.get_contact(engine, each) for each in ids if each != contact_id]
    found: dict[Address, None] = {}
    for each in (contact, *others):
        links = [] if each is None else each.addresses
        for link in sorted(links, key=lambda one: one.linked_at, reverse=True):
            found.setdefault(Address(cast(AddressKind, link.kind), link.address, link.scope))
    name = contact.attributes.get("name")
    return Person(addresses=tuple(found), name=name if isinstance(name, str) else None)
