"""Reads of contacts for the API: by address, by merge, and the proposals to merge."""

from contextlib import suppress

from sqlalchemy import Engine, or_, select, tuple_

from ingest.errors import UnreadableStateError
from ingest.events.contact_state import AddressKey, Contact, MergeProposal
from ingest.log import queries
from ingest.log.storage.tables import contact_addresses, contacts, merge_proposals


def find_contacts(engine: Engine, key: AddressKey) -> list[Contact]:
    """Return the contacts that have an address now, mostly one, the first owner first."""
    found = select(contact_addresses.c.contact_id).where(
        contact_addresses.c.value == key.value,
        contact_addresses.c.kind == key.kind,
        contact_addresses.c.scope == key.scope,
        contact_addresses.c.is_current,
    )
    with engine.connect() as connection:
        ids = list(connection.execute(found).scalars())
    owners = [
        each for each in (queries.get_contact(engine, one) for one in ids) if each is not None
    ]
    return sorted(owners, key=lambda each: (each.linked_at(key), each.contact_id))


def merged_ids(engine: Engine, contact_id: str) -> list[str]:
    """Return the contacts that are one person by merges, `contact_id` included, sorted."""
    known: set[str] = set()
    fresh = {contact_id}
    with engine.connect() as connection:
        while fresh:
            known |= fresh
            above = select(contacts.c.merged_into).where(
                contacts.c.contact_id.in_(sorted(fresh)), contacts.c.merged_into.is_not(None)
            )
            below = select(contacts.c.contact_id).where(contacts.c.merged_into.in_(sorted(fresh)))
            fresh = set(connection.execute(above.union(below)).scalars()) - known
    return sorted(known)


def list_proposals(
    engine: Engine, limit: int, before: tuple[int, str] | None, contact_id: str | None = None
) -> list[tuple[Contact, MergeProposal]]:
    """Return at most `limit` proposals that wait for a decision, newest first, before a position.

    With `contact_id` only those that name this contact. A proposal whose contacts are one person by merges is left out. It waits again after an unmerge.
    """
    place = (merge_proposals.c.proposed_at, merge_proposals.c.contact_id)
    query = select(*place, merge_proposals.c.other_contact_id).order_by(
        *(each.desc() for each in place)
    )
    if contact_id is not None:
        query = query.where(
            or_(
                merge_proposals.c.contact_id == contact_id,
                merge_proposals.c.other_contact_id == contact_id,
            )
        )
    found: list[tuple[Contact, MergeProposal]] = []
    while (missing := limit - len(found)) > 0:
        page = query if before is None else query.where(tuple_(*place) < before)
        with engine.connect() as connection:
            rows = connection.execute(page.limit(missing)).all()
        for position, proposer, other_id in rows:
            before = position, proposer
            if other_id not in merged_ids(engine, proposer):
                found += _proposal(engine, proposer, other_id)
        if len(rows) < missing:
            break
    return found


def _proposal(
    engine: Engine, contact_id: str, other_id: str
) -> list[tuple[Contact, MergeProposal]]:
    contact = None
    with suppress(UnreadableStateError):
        contact = queries.get_contact(engine, contact_id)
    found = None if contact is None else contact.proposal_of(other_id)
    return [] if contact is None or found is None else [(contact, found)]
