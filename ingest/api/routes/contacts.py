"""Contacts: read and change the people behind customers."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response
from msgspec import Meta
from pydantic import BaseModel, Field

from ingest.api.command_router import Body, CommandRouter, payload
from ingest.api.conversation_view import struct_fields
from ingest.api.dependencies import Context, RequirePii, require_read
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.errors import (
    ContactExistsError,
    UnknownContactError,
    VersionMismatchError,
)
from ingest.events.contact_state import Contact
from ingest.events.draft import Draft
from ingest.events.payloads import Id, Name
from ingest.log import queries

commands = CommandRouter()


class NewContact(Body, kw_only=True, forbid_unknown_fields=True):
    """A person behind customers."""

    contact_id: Id
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class ContactChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The fields to change; attributes are merged, null removes one."""

    attributes: dict[str, Any]


class NewAddress(Body, kw_only=True, forbid_unknown_fields=True):
    """How the person is reached."""

    channel: Name
    address: Annotated[str, Meta(min_length=1, max_length=256)]


CONTACT_ERRORS = (ContactExistsError, UnknownContactError, VersionMismatchError)


@commands.command(
    "POST",
    "/contacts",
    NewContact,
    tag="contacts",
    example={"contact_id": "ada-lovelace", "attributes": {"name": "Ada"}},
    errors=CONTACT_ERRORS,
)
def create_contact(body: NewContact) -> Draft:
    """Create a contact."""
    return Draft(
        event_type="contact.created",
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes or None),
    )


@commands.command(
    "PATCH",
    "/contacts/{contact_id:id}",
    ContactChange,
    tag="contacts",
    example={"attributes": {"language": "en"}},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def update_contact(body: ContactChange) -> Draft:
    """Change the attributes of a contact."""
    return Draft(event_type="contact.updated", payload={"attributes": body.attributes})


@commands.command(
    "POST",
    "/contacts/{contact_id:id}/addresses",
    NewAddress,
    tag="contacts",
    example={"channel": "email", "address": "ada@example.org"},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def link_address(body: NewAddress) -> Draft:
    """Add an address to a contact."""
    given = {"channel": body.channel, "address": body.address}
    return Draft(event_type="contact.linked", payload=given)


router = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


class AddressView(BaseModel):
    """An address of the person."""

    channel: str
    address: str


class ContactView(BaseModel):
    """A person behind customers."""

    contact_id: str
    attributes: dict[str, Any]
    addresses: list[AddressView]
    merged_into: str | None
    version: int = Field(description="the ETag")


@router.get(
    "/contacts/{contact_id:id}",
    tags=["contacts"],
    responses=problem_responses((UnknownContactError,)),
)
def get_contact(
    api: Context, _caller: RequirePii, contact_id: str, response: Response
) -> ContactView:
    """Return a contact, with its ETag."""
    found = queries.get_contact(api.engine, contact_id)
    if found is None:
        raise UnknownContactError("there is no contact with this id", "contact_id")
    response.headers["etag"] = f'"{found.version}"'
    return _contact(found)


def _contact(contact: Contact) -> ContactView:
    addresses = [struct_fields(each) for each in contact.addresses]
    return ContactView.model_validate(struct_fields(contact) | {"addresses": addresses})
