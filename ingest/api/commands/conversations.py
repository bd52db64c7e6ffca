"""What becomes of a conversation: its description, its state, its session."""

from typing import Literal

from ingest.api.arrivals import set_fields
from ingest.api.commands.command import (
    Body,
    CommandRouter,
    ConversationChange,
    Reason,
    Text,
    payload,
)
from ingest.log.drafts import Draft

router = CommandRouter()


class StateChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The state that a conversation is to be in."""

    to: Literal["active", "inactive", "closed"]
    reason: Text | None = None


class Resolution(Body, kw_only=True, forbid_unknown_fields=True):
    """Who met the demand, and whether the customer said so."""

    resolved_by: Literal["bot", "agent", "customer"] | None = None
    is_confirmed: bool = False
    reason: Text | None = None


@router.command(
    "PATCH",
    "/conversations/{conversation_id}",
    ConversationChange,
    tag="conversations",
    example={"subject": "Order 7", "labels": ["delivery"], "priority": "high"},
    is_edit=True,
)
def update_conversation(body: ConversationChange) -> Draft:
    """Change a conversation.

    `If-Match` with the ETag that you read keeps two people from undoing each other's changes.
    """
    return Draft(event_type="conversation.updated", payload=set_fields(body) or None)


@router.command(
    "POST",
    "/conversations/{conversation_id}/state",
    StateChange,
    tag="conversations",
    example={"to": "closed", "reason": "spam"},
    is_edit=True,
)
def change_state(body: StateChange) -> Draft:
    """Make a conversation active, inactive or closed. Closed is final."""
    given = payload(to=body.to, reason=body.reason)
    return Draft(event_type="conversation.state_changed", payload=given)


@router.command(
    "POST",
    "/conversations/{conversation_id}/resolve",
    Resolution,
    tag="conversations",
    example={"resolved_by": "bot", "is_confirmed": True},
    is_edit=True,
)
def resolve_conversation(body: Resolution) -> Draft:
    """Say that the demand is met. The customer's next message reopens it."""
    given = payload(
        resolved_by=body.resolved_by, is_confirmed=body.is_confirmed, reason=body.reason
    )
    return Draft(event_type="conversation.resolved", payload=given)


@router.command(
    "POST",
    "/conversations/{conversation_id}/reopen",
    Reason,
    tag="conversations",
    example={"reason": "the parcel did not come"},
    is_edit=True,
)
def reopen_conversation(body: Reason) -> Draft:
    """Say that the demand is back."""
    return Draft(event_type="conversation.reopened", payload=payload(reason=body.reason))


@router.command(
    "POST",
    "/conversations/{conversation_id}/session/end",
    Reason,
    tag="sessions",
    example={"reason": "explicit"},
)
def end_session(body: Reason) -> Draft:
    """End the open session. The next message begins another."""
    return Draft(event_type="session.ended", payload={"reason": body.reason or "explicit"})
