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
from ingest.api.pagination import Limit, PageCursor, from_keyed_cursor, to_cursor
from ingest.channels import addresses
from ingest.channels.addresses import KIND_OF_CHANNEL
from ingest.channels.base import AddressKind
from ingest.errors import (
    ContactExistsError,
    UnknownContactError,
    UnknownProposalError,
    VersionMismatchError,
)
from ingest.events.contact_state import Contact, MergeProposal
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


class Decision(Body, kw_only=True, forbid_unknown_fields=True):
    """Who decided it, such as a user of your system."""

    decided_by: Id | None = None


class Merge(Decision, kw_only=True, forbid_unknown_fields=True):
    """The contact that is the same person, and who decided it."""

    into: Id


class Decline(Decision, kw_only=True, forbid_unknown_fields=True):
    """The contact that is another person, and who decided it."""

    other_contact_id: Id


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


@commands.command(
    "POST",
    "/contacts/{contact_id:id}/merge",
    Merge,
    tag="contacts",
    example={"into": "ada-lovelace"},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def merge_contact(body: Merge) -> Draft:
    """Merge a contact into another one: both are the same person.

    This accepts a proposal. Nothing is lost: `unmerge` restores both.
    """
    return Draft(event_type="contact.merged", payload=_decision(body, into=body.into))


@commands.command(
    "POST",
    "/contacts/{contact_id:id}/decline-merge",
    Decline,
    tag="contacts",
    example={"other_contact_id": "ada-lovelace", "decided_by": "mira"},
    errors=(*CONTACT_ERRORS, UnknownProposalError),
    is_edit=True,
)
def decline_merge(body: Decline) -> Draft:
    """Decline a proposal: the two contacts are two people. The pair is not proposed again.

    Name the contacts as the proposal does. A later `merge` is still possible.
    """
    named = _decision(body, other_contact_id=body.other_contact_id)
    return Draft(event_type="contact.merge_declined", payload=named)


@commands.command(
    "POST",
    "/contacts/{contact_id:id}/unmerge",
    Decision,
    tag="contacts",
    example={},
    errors=CONTACT_ERRORS,
    is_edit=True,
)
def unmerge_contact(body: Decision) -> Draft:
    """Undo the merge of a contact: it is a person of its own again."""
    return Draft(event_type="contact.unmerged", payload=_decision(body) or None)


def _decision(body: Decision, **fields: str) -> dict[str, str]:
    by = {} if body.decided_by is None else {"decided_by": body.decided_by}
    return fields | by


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


class ProposalView(BaseModel):
    """Two contacts that may be one person. Merge one into the other to accept it, or decline it."""

    contact_id: str
    other_contact_id: str
    addresses: list[AddressName] = Field(description="the addresses that one call named together")


class ProposalPage(BaseModel):
    """A page of proposals."""

    items: list[ProposalView]
    cursor: str | None
    has_more: bool


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


@router.get("/merge-proposals", tags=["contacts"])
def list_merge_proposals(
    api: Context,
    _caller: RequirePii,
    limit: Limit = 50,
    cursor: PageCursor = None,
    contact_id: Annotated[str | None, Query(max_length=512)] = None,
) -> ProposalPage:
    """List pairs of contacts that may be one person and wait for a decision, newest first; optionally of one contact."""
    before = from_keyed_cursor(cursor)
    found = contact_queries.list_proposals(api.engine, limit + 1, before, contact_id)
    more = len(found) > limit
    contact, last = found[limit - 1] if more else (None, None)
    return ProposalPage(
        items=[_proposal(each, proposal) for each, proposal in found[:limit]],
        cursor=to_cursor(last.proposed_at, contact.contact_id) if contact and last else None,
        has_more=more,
    )


def _proposal(contact: Contact, proposal: MergeProposal) -> ProposalView:
    return ProposalView(
        contact_id=contact.contact_id,
        other_contact_id=proposal.other_contact_id,
        addresses=[
            AddressName(kind=each.kind, address=each.value, scope=each.scope)
            for each in proposal.addresses
        ],
    )


def _contact(contact: Contact) -> ContactView:
    found = {
        name: [struct_fields(each) for each in getattr(contact, name)]
        for name in ("addresses", "former_addresses")
    }
    return ContactView.model_validate(struct_fields(contact) | found)
