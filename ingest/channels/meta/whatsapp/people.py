"""Who is on the other side of a WhatsApp message, by every id that the webhook gives.

The number may be missing, and then the business-scoped user id is the only name («Business-scoped user IDs»).
Both are given together while both are known, so that the two are linked.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ingest.channels import addresses
from ingest.channels.base import Address, Person
from ingest.channels.meta.body import Name
from ingest.channels.meta.whatsapp.body import Contact, Message, Status, System

GROUP = "group:"
"""What the thread key of a group begins with; its id follows."""

_CHANGE = re.compile(r" changed from (\S+) to (\S+)\Z")


class Ids(Struct, frozen=True):
    """The ids of one person."""

    number: Name | None
    user: Name | None
    parent: Name | None

    def addresses(self) -> tuple[Address, ...]:
        """Return an address for each id, the number first."""
        found = [addresses.whatsapp(str(self.number))] if self.number else []
        found += [addresses.bsuid(str(each)) for each in (self.user, self.parent) if each]
        return tuple(dict.fromkeys(found))


def sender_of(message: Message) -> Ids:
    """Return who wrote a message."""
    return Ids(message.sender, message.from_user_id, message.from_parent_user_id)


def customer_of_echo(message: Message, own_number: Name | None) -> Ids:
    """Return whom an echo was sent to; the side with the business's own number is never the customer."""
    if message.to and _digits(message.to) == _digits(own_number) and message.sender:
        return sender_of(message)
    return Ids(message.to, message.to_user_id, message.to_parent_user_id)


def changed_ids(message: Message, system: System) -> tuple[tuple[Name | None, Name | None], ...]:
    """Return the ids of a person before and after a change: number, business-scoped user id, its parent.

    Until August 2026 only the text of the message had the former business-scoped user id.
    """
    former = system.previous_user_id
    told = _CHANGE.search(system.body or "")
    if former is None and told and told.group(2) == str(system.user_id):
        former = told.group(1)
    return (
        (system.customer or message.sender, system.wa_id or system.new_wa_id),
        (former or message.from_user_id, system.user_id),
        (system.previous_parent_user_id or message.from_parent_user_id, system.parent_user_id),
    )


def recipient_of(status: Status) -> Ids:
    """Return who the status is about: in a group, the member."""
    if status.recipient_type == "group":
        return Ids(
            status.recipient_participant_id,
            status.recipient_participant_user_id,
            status.recipient_participant_parent_user_id,
        )
    return Ids(status.recipient_id, status.recipient_user_id, status.recipient_parent_user_id)


def person(ids: Ids, contacts: Sequence[Contact], people: Iterable[Ids]) -> Person | None:
    """Return a person with the ids and the profile of the matching contact; None without any id.

    `people`: everyone whom the value's items name. A single contact next to a single person is that
    person, although their number and `wa_id` may differ («System messages webhook reference»).
    """
    contact = _matching(ids, contacts)
    if contact is None and len(contacts) == 1 and len(set(people)) == 1:
        contact = contacts[0] if not _contradicts(ids, contacts[0]) else None
    contact = contact or Contact()
    is_same = _digits(contact.wa_id) == _digits(ids.number)
    known = Ids(None if is_same else contact.wa_id, contact.user_id, contact.parent_user_id)
    found = tuple(dict.fromkeys((*ids.addresses(), *known.addresses())))
    profile = contact.profile
    if not found:
        return None
    return Person(
        addresses=found,
        name=profile.name if profile else None,
        attributes={"username": profile.username} if profile and profile.username else {},
    )


def _matching(ids: Ids, contacts: Sequence[Contact]) -> Contact | None:
    for contact in contacts:
        if ids.user and ids.user == contact.user_id:
            return contact
        if ids.number and _digits(ids.number) == _digits(contact.wa_id):
            return contact
    return None


def _contradicts(ids: Ids, contact: Contact) -> bool:
    return bool(ids.user and contact.user_id and ids.user != contact.user_id)


def _digits(value: Name | None) -> str:
    return str(value or "").lstrip("+")
