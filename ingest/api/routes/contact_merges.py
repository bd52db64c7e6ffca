"""Merges of contacts: the proposals that wait, and the decisions about them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from ingest.api.command_router import Body, CommandRouter
from ingest.api.dependencies import Context, RequirePii, require_read
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.api.pagination import Limit, PageCursor, from_keyed_cursor, to_cursor
from ingest.api.routes.contacts import CONTACT_ERRORS, AddressName
from ingest.events.contact_state import Contact, MergeProposal
from ingest.events.conversation_errors import UnknownProposalError
from ingest.events.draft import Draft
from ingest.events.payloads import Id
from ingest.log import contact_queries

commands = CommandRouter()


class Decision(Body, kw_only=True, forbid_unknown_fields=True):
    """Who decided it, such as a user of your system."""

    decided_by: Id | None = None


class Merge(Decision, kw_only=True, forbid_unknown_fields=True):
    """The contact that is the same person, and who decided it."""

    into: Id


class Decline(Decision, kw_only=True, forbid_unknown_fields=True):
    """The contact that is another person, and who decided it."""

    other_contact_id: Id


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


router = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


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
