"""Contacts: read and change the people behind customers."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from msgspec import Meta
from pydantic import BaseModel, Field

from ingest.api.command_router import Body, CommandRouter, payload
from ingest.api.conversation_view import struct_fields
from ingest.api.dependencies import Context, RequirePii, require_read
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.channels import addresses
from ingest.channels.addresses import KIND_OF_CHANNEL
from ingest.channels.base import AddressKind
from ingest.errors import VersionMismatchError
from ingest.events.contact_state import Contact
from ingest.events.conversation_errors import ContactExistsError, UnknownContactError
from ingest.events.draft import Draft
from ingest.events.payloads import Id, Name, Scope
from ingest.identity.binding import key_of
from ingest.log import contact_queries, queries

commands = CommandRouter()


class NewContact(Body, kw_only=True, forbid_unknown_fields=True):
    """A person behind customers."""

    contact_id: Id
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class ContactChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The fields to change; attributes are merged, null removes one."""

    attributes: dict[str, Any]


class NewAddress(Body, kw_only=True, forbid_unknown_fields=True):
    """How the person is reached. Without a kind it follows from the channel, if that has addresses of one kind."""

    channel: Name
    address: Annotated[str, Meta(min_length=1, max_length=256)]
    kind: AddressKind | None = None
    scope: Scope = ""


class FormerAddress(Body, kw_only=True, forbid_unknown_fields=True):
    """An address that is no longer the person's."""

    address: Annotated[str, Meta(min_length=1, max_length=256)]
    kind: AddressKind
    scope: Scope = ""


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
    """Add an address to a contact, in its normal form."""
    kind = body.kind or KIND_OF_CHANNEL.get(body.channel, "external_id")
    linked = {"channel": body.channel} | _normal(kind, body.address, body.scope)
    return Draft(event_type="contact.linked", payload=linked)


@commands.command(
    "POST",
    "/contacts/{contact_id:id}/addresses/unlink",
    FormerAddress,
    tag="contacts",
    example={"kind": "email", "address": "ada@example.org"},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def unlink_address(body: FormerAddress) -> Draft:
    """Remove an address from a contact; it stays known as a former one."""
    former = _normal(body.kind, body.address, body.scope)
    return Draft(event_type="contact.unlinked", payload=former)


def _normal(kind: AddressKind, text: str, scope: str) -> dict[str, Any]:
    address = addresses.parse(kind, text, scope)
    named = {"kind": address.kind, "address": address.value}
    return named | ({"scope": address.scope} if address.scope else {})


router = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


class AddressName(BaseModel):
    """What an address is found by."""

    kind: str
    address: str
    scope: str = Field(description="what it is unique in, such as a page; mostly empty")


class AddressView(AddressName):
    """An address of the person."""

    channel: str = Field(description="the channel on which it was linked")


class ContactView(BaseModel):
    """A person behind customers."""

    contact_id: str
    attributes: dict[str, Any]
    addresses: list[AddressView]
    former_addresses: list[AddressView]
    merged_into: str | None
    version: int = Field(description="the ETag")


class ContactList(BaseModel):
    """The contacts with an address: mostly one."""

    items: list[ContactView]


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


@router.get("/contacts", tags=["contacts"])
def find_contacts(
    api: Context,
    _caller: RequirePii,
    kind: AddressKind,
    value: Annotated[str, Query(min_length=1, max_length=512)],
    scope: Annotated[str, Query(max_length=256)] = "",
) -> ContactList:
    """Return the contacts that have an address, in any spelling; the first owner first."""
    key = key_of(addresses.parse(kind, value, scope))
    found = contact_queries.find_contacts(api.engine, key)
    return ContactList(items=[_contact(each) for each in found])


def _contact(contact: Contact) -> ContactView:
    found = {
        name: [struct_fields(each) for each in getattr(contact, name)]
        for name in ("addresses", "former_addresses")
    }
    return ContactView.model_validate(struct_fields(contact) | found)
