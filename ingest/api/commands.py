"""Commands: what clients ask to become of a conversation, its people and its messages.

Each is one event. It is refused (409, 412) if what the client saw has changed meanwhile; a fact,
which cannot be refused, goes to `POST /v1/events`.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Meta, Struct

from ingest.api import bodies
from ingest.api.arrivals import Drafted, set_fields, take_one
from ingest.api.describe import described
from ingest.api.hot import HotRoute
from ingest.contract import Role
from ingest.errors import (
    ContactExistsError,
    ConversationClosedError,
    HandoffStateError,
    InvalidRequestError,
    UnknownContactError,
    UnknownMessageError,
    UnknownParticipantError,
    VersionMismatchError,
)
from ingest.log.drafts import ID_PATTERN, Command, Draft, Id, Instant, Name, Settable
from ingest.log.submission import Acknowledgement

ERRORS = (
    UnknownMessageError,
    UnknownParticipantError,
    ConversationClosedError,
    HandoffStateError,
    VersionMismatchError,
)
Text = Annotated[str, Meta(max_length=2000)]
B = TypeVar("B", bound="Body | ConversationChange")

router = APIRouter(prefix="/v1", route_class=HotRoute)


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    """What every command may say: its id, who gave it, when."""

    event_id: Id | None = None
    participant_id: Id | None = None
    occurred_at: Instant | None = None


def command(
    method: str,
    path: str,
    body: type[B],
    *,
    tag: str,
    example: Any,
    errors: tuple[Any, ...] = ERRORS,
    is_edit: bool = False,
) -> Callable[[Callable[[B], Draft]], Callable[[B], Draft]]:
    """A route whose function makes the draft of an event from the body.

    What the path names is filled in: its parameters are called as the event's columns.
    `is_edit`: If-Match with the ETag that was read refuses it when somebody was faster.
    """

    def install(build: Callable[[B], Draft]) -> Callable[[B], Draft]:
        decoder = msgspec.json.Decoder(body)

        async def endpoint(request: Request) -> Response:
            return await take_one(request, partial(_read, request, decoder, build, is_edit))

        parameters = {part[1:-1]: ID_PATTERN for part in path.split("/") if part.startswith("{")}
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=build.__name__,
            summary=(build.__doc__ or "").partition("\n")[0].rstrip("."),
            description=build.__doc__,
            tags=[tag],
            openapi_extra=described(
                body,
                Acknowledgement,
                example=example,
                parameters=parameters,
                errors=errors,
                is_edit=is_edit,
            ),
        )
        return build

    return install


def _read(
    request: Request,
    decoder: "msgspec.json.Decoder[B]",
    build: Callable[[B], Draft],
    is_edit: bool,
    raw: bytes,
    event_id: str | None,
) -> Drafted:
    body = bodies.decode_event(raw or b"{}", decoder)
    draft = build(body)
    draft.event_id = body.event_id or event_id
    draft.participant_id = body.participant_id
    draft.occurred_at = body.occurred_at
    for name, value in request.path_params.items():
        setattr(draft, name, value)
    if draft.event_type == "handoff.requested" and draft.handoff_id is None:
        draft.event_id = draft.event_id or request.app.state.new_id()
        draft.handoff_id = draft.event_id
    return draft, Command(version=_version(request) if is_edit else None)


def _version(request: Request) -> int | None:
    """The version that If-Match names. Raises InvalidRequestError."""
    tag = request.headers.get("if-match", "*").strip()
    if tag == "*":
        return None
    number = tag.removeprefix("W/").strip('"')
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise InvalidRequestError("not an ETag of ours", "If-Match")
    return int(number)


def _payload(**values: Any) -> dict[str, Any] | None:
    return {name: value for name, value in values.items() if value is not None} or None


# --- conversations -------------------------------------------------------------------------


class ConversationChange(Settable, kw_only=True, forbid_unknown_fields=True):
    """What is to change; attributes are merged, null takes one away (RFC 7396)."""

    event_id: Id | None = None
    participant_id: Id | None = None
    occurred_at: Instant | None = None


class StateChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The state that a conversation is to be in."""

    to: Literal["active", "inactive", "closed"]
    reason: Text | None = None


class Resolution(Body, kw_only=True, forbid_unknown_fields=True):
    """Who met the demand, and whether the customer said so."""

    resolved_by: Literal["bot", "agent", "customer"] | None = None
    is_confirmed: bool = False
    reason: Text | None = None


class Reason(Body, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: Text | None = None


@command(
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


@command(
    "POST",
    "/conversations/{conversation_id}/state",
    StateChange,
    tag="conversations",
    example={"to": "closed", "reason": "spam"},
    is_edit=True,
)
def change_state(body: StateChange) -> Draft:
    """Make a conversation active, inactive or closed. Closed is final."""
    payload = _payload(to=body.to, reason=body.reason)
    return Draft(event_type="conversation.state_changed", payload=payload)


@command(
    "POST",
    "/conversations/{conversation_id}/resolve",
    Resolution,
    tag="conversations",
    example={"resolved_by": "bot", "is_confirmed": True},
    is_edit=True,
)
def resolve_conversation(body: Resolution) -> Draft:
    """Say that the demand is met. The customer's next message reopens it."""
    payload = _payload(
        resolved_by=body.resolved_by, is_confirmed=body.is_confirmed, reason=body.reason
    )
    return Draft(event_type="conversation.resolved", payload=payload)


@command(
    "POST",
    "/conversations/{conversation_id}/reopen",
    Reason,
    tag="conversations",
    example={"reason": "the parcel did not come"},
    is_edit=True,
)
def reopen_conversation(body: Reason) -> Draft:
    """Say that the demand is back."""
    return Draft(event_type="conversation.reopened", payload=_payload(reason=body.reason))


@command(
    "POST",
    "/conversations/{conversation_id}/session/end",
    Reason,
    tag="sessions",
    example={"reason": "explicit"},
)
def end_session(body: Reason) -> Draft:
    """End the open session. The next message begins another."""
    return Draft(event_type="session.ended", payload={"reason": body.reason or "explicit"})


# --- participants --------------------------------------------------------------------------


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

    sequence: Annotated[int, Meta(ge=0)]


@command(
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
        payload=_payload(attributes=body.attributes),
    )


@command(
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
        payload=_payload(attributes=body.attributes),
    )


@command(
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


@command(
    "POST",
    "/conversations/{conversation_id}/participants/{participant_id}/read",
    Horizon,
    tag="receipts",
    example={"sequence": 12},
)
def advance_read_horizon(body: Horizon) -> Draft:
    """Say how far somebody has read. The horizon never falls: the greatest counts."""
    return Draft(event_type="participant.read_advanced", payload={"sequence": body.sequence})


@command(
    "POST",
    "/conversations/{conversation_id}/participants/{participant_id}/unread",
    Horizon,
    tag="receipts",
    example={"sequence": 9},
)
def mark_unread(body: Horizon) -> Draft:
    """Mark as unread from this sequence on. The read horizon stays where it is."""
    return Draft(event_type="participant.updated", payload={"unread_sequence": body.sequence})


# --- messages ------------------------------------------------------------------------------


class Edit(Body, kw_only=True, forbid_unknown_fields=True):
    """What a message says from now on."""

    text: str


class Reaction(Body, kw_only=True, forbid_unknown_fields=True):
    """How somebody reacted; null takes the reaction back."""

    participant_id: Id
    reaction: Annotated[str, Meta(max_length=64)] | None


class ReceiptReport(Body, kw_only=True, forbid_unknown_fields=True):
    """What a channel says of a delivery to `participant_id`; `attempt` counts from 1."""

    status: Literal["submitted", "delivered", "read", "failed"]
    attempt: Annotated[int, Meta(ge=1, le=1000)] = 1
    error_code: Annotated[str, Meta(max_length=128)] | None = None


MESSAGE = "/conversations/{conversation_id}/messages/{message_id}"


@command(
    "PATCH",
    MESSAGE,
    Edit,
    tag="messages",
    example={"text": "Where is order 7?"},
    is_edit=True,
)
def edit_message(body: Edit) -> Draft:
    """Change what a message says. What it said before stays on the record."""
    return Draft(event_type="message.edited", text=body.text)


@command(
    "DELETE",
    MESSAGE,
    Reason,
    tag="messages",
    example={"reason": "sent to the wrong one"},
    is_edit=True,
)
def delete_message(body: Reason) -> Draft:
    """Take a message's text away. Its place stays, as a tombstone."""
    return Draft(event_type="message.deleted", payload=_payload(reason=body.reason))


@command(
    "POST",
    f"{MESSAGE}/reactions",
    Reaction,
    tag="messages",
    example={"participant_id": "ada", "reaction": "👍"},
)
def react_to_message(body: Reaction) -> Draft:
    """React to a message, or take the reaction back."""
    return Draft(event_type="message.reacted", payload={"reaction": body.reaction})


@command(
    "POST",
    f"{MESSAGE}/receipts",
    ReceiptReport,
    tag="receipts",
    example={"participant_id": "ada", "status": "delivered"},
)
def report_receipt(body: ReceiptReport) -> Draft:
    """Report a receipt. A late one of a lower rank is kept and changes nothing."""
    payload = _payload(
        attempt=None if body.attempt == 1 else body.attempt, error_code=body.error_code
    )
    return Draft(event_type=f"message.{body.status}", payload=payload)


# --- handoffs ------------------------------------------------------------------------------


class NewHandoff(Body, kw_only=True, forbid_unknown_fields=True):
    """Why a person is needed, and where they are to be found."""

    reason: Name
    handoff_id: Id | None = None
    queue: Id | None = None
    text: Text | None = None


class HandoffStep(Body, kw_only=True, forbid_unknown_fields=True):
    """Who takes the step (`participant_id`: the agent), and why."""

    reason: Text | None = None
    queue: Id | None = None


class Transfer(HandoffStep, kw_only=True, forbid_unknown_fields=True):
    """To whom it passes: an agent, or a queue."""

    to_participant_id: Id | None = None


HANDOFFS = "/conversations/{conversation_id}/handoffs"
STEPS = {
    "queue": ("handoff.queued", "Put a handoff into a queue"),
    "assign": ("handoff.assigned", "Offer a handoff to an agent"),
    "accept": (
        "handoff.accepted",
        "Take a handoff: control passes to this agent; of two, one wins",
    ),
    "decline": ("handoff.declined", "Refuse a handoff that was offered"),
    "expire": ("handoff.expired", "Give up waiting for somebody to take a handoff"),
    "return": ("handoff.returned", "Give control back to the bot"),
    "close": ("handoff.closed", "End a handoff"),
}


@command(
    "POST",
    HANDOFFS,
    NewHandoff,
    tag="handoffs",
    example={"participant_id": "helper", "reason": "customer_request", "queue": "orders"},
)
def request_handoff(body: NewHandoff) -> Draft:
    """Ask for a person. The answer's event_id is the handoff_id, unless you gave one."""
    return Draft(
        event_type="handoff.requested",
        handoff_id=body.handoff_id,
        queue=body.queue,
        payload=_payload(reason=body.reason, text=body.text),
    )


@command(
    "POST",
    f"{HANDOFFS}/{{handoff_id}}/transfer",
    Transfer,
    tag="handoffs",
    example={"participant_id": "mira", "to_participant_id": "jonas"},
)
def transfer_handoff(body: Transfer) -> Draft:
    """Pass a handoff on to another agent, or to a queue."""
    payload = _payload(reason=body.reason, to_participant_id=body.to_participant_id)
    return Draft(event_type="handoff.transferred", queue=body.queue, payload=payload)


def _add_step(name: str, event_type: str, doc: str) -> None:
    def step(body: HandoffStep) -> Draft:
        payload = _payload(reason=body.reason)
        return Draft(event_type=event_type, queue=body.queue, payload=payload)

    step.__name__, step.__doc__ = f"{name}_handoff", f"{doc}."
    example = {"participant_id": "mira"} if name in ("assign", "accept", "decline") else {}
    command(
        "POST", f"{HANDOFFS}/{{handoff_id}}/{name}", HandoffStep, tag="handoffs", example=example
    )(step)


for _name, (_type, _doc) in STEPS.items():
    _add_step(_name, _type, _doc)


# --- contacts ------------------------------------------------------------------------------


class NewContact(Body, kw_only=True, forbid_unknown_fields=True):
    """A person behind customers."""

    contact_id: Id
    attributes: dict[str, Any] = {}


class ContactChange(Body, kw_only=True, forbid_unknown_fields=True):
    """What is to change; attributes are merged, null takes one away."""

    attributes: dict[str, Any]


class NewAddress(Body, kw_only=True, forbid_unknown_fields=True):
    """How the person is reached."""

    channel: Name
    address: Annotated[str, Meta(min_length=1, max_length=256)]


CONTACT_ERRORS = (ContactExistsError, UnknownContactError, VersionMismatchError)


@command(
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
        payload=_payload(attributes=body.attributes or None),
    )


@command(
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


@command(
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
    payload = {"channel": body.channel, "address": body.address}
    return Draft(event_type="contact.linked", payload=payload)
