"""Who comes, who goes, who has read how far."""

from typing import Annotated, Any

from msgspec import Meta

from ingest.api.commands.command import Body, CommandRouter, payload
from ingest.api.scopes import TAKE_PART
from ingest.contract import Role
from ingest.log.drafts import Draft, Id

router = CommandRouter()


class NewParticipant(Body, kw_only=True, forbid_unknown_fields=True):
    """Somebody who comes in."""

    participant_id: Id
    participant_role: Role
    contact_id: Id | None = None
    attributes: dict[str, Any] | None = None


class ParticipantChange(Body, kw_only=True, forbid_unknown_fields=True):
    """What is to change of somebody; attributes are merged, null takes one away."""

    contact_id: Id | None = None
    attributes: dict[str, Any] | None = None


class Horizon(Body, kw_only=True, forbid_unknown_fields=True):
    """How far somebody has read."""

    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]


@router.command(
    "POST",
    "/conversations/{conversation_id}/participants",
    NewParticipant,
    tag="participants",
    example={"participant_id": "mira", "participant_role": "agent"},
    is_edit=True,
)
def add_participant(body: NewParticipant) -> Draft:
    """Let somebody into a conversation."""
    return Draft(
        event_type="participant.joined",
        participant_role=body.participant_role,
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes),
    )


@router.command(
    "PATCH",
    "/conversations/{conversation_id}/participants/{participant_id}",
    ParticipantChange,
    tag="participants",
    example={"attributes": {"name": "Mira"}},
    is_edit=True,
)
def update_participant(body: ParticipantChange) -> Draft:
    """Change what is known of a participant."""
    return Draft(
        event_type="participant.updated",
        contact_id=body.contact_id,
        payload=payload(attributes=body.attributes),
    )


@router.command(
    "DELETE",
    "/conversations/{conversation_id}/participants/{participant_id}",
    ParticipantChange,
    tag="participants",
    example={},
    is_edit=True,
)
def remove_participant(_body: ParticipantChange) -> Draft:
    """Take somebody out of a conversation. When the last customer leaves, the session ends."""
    return Draft(event_type="participant.left")


@router.command(
    "POST",
    "/conversations/{conversation_id}/participants/{participant_id}/read",
    Horizon,
    tag="receipts",
    example={"sequence": 12},
    scopes=(TAKE_PART,),
)
def advance_read_horizon(body: Horizon) -> Draft:
    """Say how far somebody has read. The horizon never falls: the greatest counts."""
    return Draft(event_type="participant.read_advanced", payload={"sequence": body.sequence})


@router.command(
    "POST",
    "/conversations/{conversation_id}/participants/{participant_id}/unread",
    Horizon,
    tag="receipts",
    example={"sequence": 9},
    scopes=(TAKE_PART,),
)
def mark_unread(body: Horizon) -> Draft:
    """Mark as unread from this sequence on. The read horizon stays where it is."""
    return Draft(event_type="participant.updated", payload={"unread_sequence": body.sequence})
