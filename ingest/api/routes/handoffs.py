"""Handoffs: list, request, assign, accept, transfer, return, close."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from ingest.api.command_router import Body, CommandRouter, Reason, Text, payload
from ingest.api.conversation_view import (
    ControlView,
    ConversationView,
    to_control_view,
    to_conversation_view,
)
from ingest.api.dependencies import (
    Context,
    RequireParticipationRead,
    RequireRead,
    get_visible_conversation,
    require_participation_read,
    require_read,
)
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.api.pagination import Limit, PageCursor, from_keyed_cursor, to_cursor
from ingest.events.draft import Draft
from ingest.events.payloads import Id, Name
from ingest.log.open_handoffs import list_open_handoffs

commands = CommandRouter()


class NewHandoff(Body, kw_only=True, forbid_unknown_fields=True):
    """Why a human is needed, and in which queue."""

    reason: Name
    handoff_id: Id | None = None
    queue: Id | None = None
    text: Text | None = None


class HandoffStep(Body, kw_only=True, forbid_unknown_fields=True):
    """Who takes the step (`participant_id`: the agent), and why."""

    reason: Text | None = None
    queue: Id | None = None


class Transfer(HandoffStep, kw_only=True, forbid_unknown_fields=True):
    """The agent or the queue that receives the handoff."""

    to_participant_id: Id | None = None


router = APIRouter(
    prefix="/v1",
    responses=problem_responses(READ_ERRORS),
    dependencies=[Depends(require_participation_read)],
)


@router.get("/conversations/{conversation_id:id}/control", tags=["handoffs"])
def get_control(
    api: Context, caller: RequireParticipationRead, conversation_id: str
) -> ControlView:
    """Return who has control of a conversation; also for the customer's page."""
    return to_control_view(get_visible_conversation(api, conversation_id, caller))


listing = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


class HandoffPage(BaseModel):
    """A page of conversations with their open handoffs; `cursor` leads to the next one."""

    items: list[ConversationView]
    cursor: str | None
    has_more: bool


@listing.get("/handoffs", tags=["handoffs"])
def list_handoffs(
    api: Context,
    caller: RequireRead,
    limit: Limit = 50,
    cursor: PageCursor = None,
    participant_id: Annotated[
        str | None, Query(max_length=512, description="an agent: the conversations they control")
    ] = None,
) -> HandoffPage:
    """List the conversations whose handoff waits for an agent, the oldest request first."""
    found, last = list_open_handoffs(
        api.engine, limit, from_keyed_cursor(cursor), participant_id, caller.channels
    )
    return HandoffPage(
        items=[to_conversation_view(each) for each in found],
        cursor=None if last is None else to_cursor(*last),
        has_more=last is not None,
    )


HANDOFFS = "/conversations/{conversation_id:id}/handoffs"
STEPS = {
    "queue": ("handoff.queued", "Put a handoff into a queue"),
    "assign": ("handoff.assigned", "Assign a handoff to an agent"),
    "accept": (
        "handoff.accepted",
        "Accept a handoff: control passes to this agent; one of two concurrent accepts wins",
    ),
    "decline": ("handoff.declined", "Decline an assigned handoff"),
    "expire": ("handoff.expired", "Expire a handoff that no agent accepted"),
    "return": ("handoff.returned", "Give control back to the bot"),
    "close": ("handoff.closed", "End a handoff"),
}


@commands.command(
    "POST",
    HANDOFFS,
    NewHandoff,
    tag="handoffs",
    example={"participant_id": "helper", "reason": "customer_request", "queue": "orders"},
)
def request_handoff(body: NewHandoff) -> Draft:
    """Request a human. The event_id in the response is the handoff_id, unless the request named one."""
    return Draft(
        event_type="handoff.requested",
        handoff_id=body.handoff_id,
        queue=body.queue,
        payload=payload(reason=body.reason, text=body.text),
    )


@commands.command(
    "POST",
    f"{HANDOFFS}/{{handoff_id:id}}/transfer",
    Transfer,
    tag="handoffs",
    example={"participant_id": "mira", "to_participant_id": "jonas"},
)
def transfer_handoff(body: Transfer) -> Draft:
    """Transfer a handoff to another agent, or to a queue."""
    given = payload(reason=body.reason, to_participant_id=body.to_participant_id)
    return Draft(event_type="handoff.transferred", queue=body.queue, payload=given)


class Taking(Reason, kw_only=True, forbid_unknown_fields=True):
    """The agent who takes control, and why."""

    participant_id: Id


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/control/take",
    Taking,
    tag="handoffs",
    example={"participant_id": "mira", "reason": "the customer knows me"},
)
def take_control(body: Taking) -> Draft:
    """Take control, from the bot or from another agent.

    The open handoff, or a new one, passes to this agent; return it to give control back.
    """
    return Draft(event_type="control.taken", payload=payload(reason=body.reason))


def _add_step(name: str, event_type: str, doc: str) -> None:
    def step(body: HandoffStep) -> Draft:
        given = payload(reason=body.reason)
        return Draft(event_type=event_type, queue=body.queue, payload=given)

    step.__name__, step.__doc__ = f"{name}_handoff", f"{doc}."
    example = {"participant_id": "mira"} if name in ("assign", "accept", "decline") else {}
    commands.command(
        "POST", f"{HANDOFFS}/{{handoff_id:id}}/{name}", HandoffStep, tag="handoffs", example=example
    )(step)


for _name, (_type, _doc) in STEPS.items():
    _add_step(_name, _type, _doc)
