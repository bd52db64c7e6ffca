"""The people behind customers."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingest.api.commands.command import Body, CommandRouter, payload
from ingest.errors import ContactExistsError, UnknownContactError, VersionMismatchError
from ingest.log.drafts import Draft, Id, Name

router = CommandRouter()


class NewContact(Body, kw_only=True, forbid_unknown_fields=True):
    """A person behind customers."""

    contact_id: Id
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class ContactChange(Body, kw_only=True, forbid_unknown_fields=True):
    """What is to change; attributes are merged, null takes one away."""

    attributes: dict[str, Any]


class NewAddress(Body, kw_only=True, forbid_unknown_fields=True):
    """How the person is reached."""

    channel: Name
    address: Annotated[str, Meta(min_length=1, max_length=256)]


CONTACT_ERRORS = (ContactExistsError, UnknownContactError, VersionMismatchError)


@router.command(
    "POST",
    "/contacts",
    NewContact,
    tag="contacts",
    example={"contact_id": "ada-lovelace", "attributes": {"name": "Ada"}},
    errors=CONTACT_ERRORS,
)
def create_contact(body: NewContact) -> Draft:
    """Make a contact known."""
    return Draft(
        event_type="contact.created",
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes or None),
    )


@router.command(
    "PATCH",
    "/contacts/{contact_id}",
    ContactChange,
    tag="contacts",
    example={"attributes": {"language": "en"}},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def update_contact(body: ContactChange) -> Draft:
    """Change what is known of a contact."""
    return Draft(event_type="contact.updated", payload={"attributes": body.attributes})


@router.command(
    "POST",
    "/contacts/{contact_id}/addresses",
    NewAddress,
    tag="contacts",
    example={"channel": "email", "address": "ada@example.org"},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def link_address(body: NewAddress) -> Draft:
    """Say that an address is this person's."""
    given = {"channel": body.channel, "address": body.address}
    return Draft(event_type="contact.linked", payload=given)
