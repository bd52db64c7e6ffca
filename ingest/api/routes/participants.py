"""Participants: list, add, change, remove; read horizons."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from msgspec import Meta
from pydantic import BaseModel

from ingest.api.command_router import Body, CommandRouter, payload
from ingest.api.conversation_view import ParticipantView, to_participant_views
from ingest.api.dependencies import Context, RequireRead, get_visible_conversation, require_read
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.auth.permissions import PARTICIPATE
from ingest.contract import Role
from ingest.events.draft import Draft
from ingest.events.payloads import Id
from ingest.log import queries

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
    "/conversations/{conversation_id}/participants",
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
    "/conversations/{conversation_id}/participants/{participant_id}",
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
    "/conversations/{conversation_id}/participants/{participant_id}",
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
    "/conversations/{conversation_id}/participants/{participant_id}/read",
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
    "/conversations/{conversation_id}/participants/{participant_id}/unread",
    Horizon,
    tag="receipts",
    example={"sequence": 9},
    scopes=(PARTICIPATE,),
)
def mark_unread(body: Horizon) -> Draft:
    """Mark as unread from this sequence on. The read horizon stays where it is."""
    return Draft(event_type="participant.updated", payload={"unread_sequence": body.sequence})


router = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


class ParticipantList(BaseModel):
    """The participants of a conversation."""

    items: list[ParticipantView]


@router.get("/conversations/{conversation_id}/participants", tags=["participants"])
def list_participants(api: Context, caller: RequireRead, conversation_id: str) -> ParticipantList:
    """Return every participant of a conversation, with the number of unread messages."""
    state = get_visible_conversation(api, conversation_id, caller)
    views = to_participant_views(state)
    for each in views:
        member = state.participants[each.participant_id]
        horizon = member.read_sequence
        if member.unread_sequence is not None:
            horizon = min(horizon, max(0, member.unread_sequence - 1))
        each.unread_count = queries.count_unread(
            api.engine, conversation_id, each.participant_id, horizon, each.participant_role
        )
    return ParticipantList(items=views)
