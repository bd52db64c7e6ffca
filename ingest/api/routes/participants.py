"""Participants: list, add, change, remove; read horizons."""

import heapq
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from msgspec import Meta
from pydantic import BaseModel

from ingest.api.command_router import Body, CommandRouter, payload
from ingest.api.conversation_view import ParticipantView, for_customer, to_participant_view
from ingest.api.dependencies import (
    Context,
    RequireParticipationRead,
    View,
    get_visible_conversation,
    require_participation_read,
)
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.api.pagination import Limit, PageCursor, from_keyed_cursor, to_cursor
from ingest.auth.permissions import PARTICIPATE
from ingest.contract import Role
from ingest.events.draft import Draft
from ingest.events.payloads import Id

commands = CommandRouter()


class NewParticipant(Body, kw_only=True, forbid_unknown_fields=True):
    """A participant who joins."""

    participant_id: Id
    participant_role: Role
    contact_id: Id | None = None
    attributes: dict[str, Any] | None = None


class ParticipantChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The fields of a participant to change; attributes are merged, null removes one."""

    contact_id: Id | None = None
    attributes: dict[str, Any] | None = None


class Horizon(Body, kw_only=True, forbid_unknown_fields=True):
    """The read horizon."""

    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/participants",
    NewParticipant,
    tag="participants",
    example={"participant_id": "mira", "participant_role": "agent"},
    is_edit=True,
)
def add_participant(body: NewParticipant) -> Draft:
    """Add a participant to a conversation."""
    return Draft(
        event_type="participant.joined",
        participant_role=body.participant_role,
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes),
    )


@commands.command(
    "PATCH",
    "/conversations/{conversation_id:id}/participants/{participant_id:id}",
    ParticipantChange,
    tag="participants",
    example={"attributes": {"name": "Mira"}},
    is_edit=True,
)
def update_participant(body: ParticipantChange) -> Draft:
    """Change the attributes of a participant."""
    return Draft(
        event_type="participant.updated",
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes),
    )


@commands.command(
    "DELETE",
    "/conversations/{conversation_id:id}/participants/{participant_id:id}",
    ParticipantChange,
    tag="participants",
    example={},
    is_edit=True,
)
def remove_participant(_body: ParticipantChange) -> Draft:
    """Remove a participant from a conversation. When the last customer leaves, the session ends."""
    return Draft(event_type="participant.left")


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/participants/{participant_id:id}/read",
    Horizon,
    tag="receipts",
    example={"sequence": 12},
    scopes=(PARTICIPATE,),
)
def advance_read_horizon(body: Horizon) -> Draft:
    """Advance the read horizon of a participant. It never moves back."""
    return Draft(event_type="participant.read_advanced", payload={"sequence": body.sequence})


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/participants/{participant_id:id}/unread",
    Horizon,
    tag="receipts",
    example={"sequence": 9},
    scopes=(PARTICIPATE,),
)
def mark_unread(body: Horizon) -> Draft:
    """Mark as unread from this sequence on. The read horizon stays where it is."""
    return Draft(event_type="participant.updated", payload={"unread_sequence": body.sequence})


router = APIRouter(
    prefix="/v1",
    responses=problem_responses(READ_ERRORS),
    dependencies=[Depends(require_participation_read)],
)


class ParticipantPage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[ParticipantView]
    cursor: str | None
    has_more: bool


@router.get("/conversations/{conversation_id:id}/participants", tags=["participants"])
def list_participants(
    api: Context,
    caller: RequireParticipationRead,
    conversation_id: str,
    limit: Limit = 100,
    cursor: PageCursor = None,
    *,
    view: View,
) -> ParticipantPage:
    """List the participants of a conversation as they joined, with the number of unread messages.

    A customer sees the attribute `name` of the others, and no contacts.
    """
    state = get_visible_conversation(api, conversation_id, caller)
    places = ((member.joined_sequence, key) for key, member in state.participants.items())
    after = from_keyed_cursor(cursor) or (-1, "")
    found = heapq.nsmallest(limit + 1, (place for place in places if place > after))
    more = len(found) > limit
    page = found[:limit]
    unread = api.unread.count(state, [key for _, key in page])
    items = [to_participant_view(key, state.participants[key], unread[key]) for _, key in page]
    return ParticipantPage(
        items=items if view == "all" else [for_customer(each) for each in items],
        cursor=to_cursor(*page[-1]) if more else None,
        has_more=more,
    )
