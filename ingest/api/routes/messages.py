"""Messages: post, read, edit, delete, react; receipts."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta
from pydantic import BaseModel

from ingest.api.command_router import Body, CommandRouter, Reason, payload
from ingest.api.dependencies import (
    Context,
    RequireParticipationRead,
    View,
    get_visible_conversation,
    require_participation_read,
)
from ingest.api.intake import NewMessage, ingest_one, parse_message
from ingest.api.message_view import MessageView, Withheld, is_withheld, to_message_view
from ingest.api.openapi import READ_ERRORS, describe_raw_route, problem_responses
from ingest.api.pagination import (
    After,
    Before,
    Limit,
    Order,
    PageCursor,
    check_sequence,
    from_cursor,
    to_cursor,
    to_span,
)
from ingest.api.raw_route import RawRoute
from ingest.auth.permissions import PARTICIPATE
from ingest.errors import HookFailedError, PlaceBeyondEndError, RejectedByHookError
from ingest.events.conversation_errors import (
    ConversationClosedError,
    MessageExistsError,
    NotInControlError,
    StaleEpochError,
    UnknownMessageError,
)
from ingest.events.draft import Draft
from ingest.events.payloads import ID_PATTERN, Id
from ingest.log import queries
from ingest.log.writer_requests import Acknowledgement

raw = APIRouter(route_class=RawRoute, prefix="/v1")
commands = CommandRouter()


router = APIRouter(
    prefix="/v1",
    responses=problem_responses((*READ_ERRORS, PlaceBeyondEndError)),
    dependencies=[Depends(require_participation_read)],
)


class MessagePage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[MessageView | Withheld]
    cursor: str | None
    has_more: bool


@router.get("/conversations/{conversation_id:id}/messages", tags=["messages"])
def list_messages(
    api: Context,
    caller: RequireParticipationRead,
    conversation_id: str,
    limit: Limit = 50,
    cursor: PageCursor = None,
    order: Order = "asc",
    after_sequence: After = None,
    before_sequence: Before = None,
    *,
    view: View,
) -> MessagePage:
    """List messages of a conversation, in order, in their current state."""
    state = get_visible_conversation(api, conversation_id, caller)
    check_sequence(after_sequence, state.last_sequence)
    span = to_span(order, from_cursor(cursor), after_sequence, before_sequence)
    found = queries.list_messages(api.engine, conversation_id, limit + 1, span)
    page = found[:limit]
    more = len(found) > limit
    states = queries.find_messages(api.engine, conversation_id, [row["message_id"] for row in page])
    return MessagePage(
        items=[
            Withheld(sequence=row["sequence"])
            if is_withheld(row, view)
            else to_message_view(row, states.get(row["message_id"]))
            for row in page
        ],
        cursor=to_cursor(page[-1]["sequence"]) if more else None,
        has_more=more,
    )


@router.get(
    "/conversations/{conversation_id:id}/messages/{message_id:id}",
    tags=["messages"],
    responses=problem_responses((UnknownMessageError,)),
)
def get_message(
    api: Context,
    caller: RequireParticipationRead,
    conversation_id: str,
    message_id: str,
    response: Response,
    view: View,
) -> MessageView:
    """Return a message with its edits and the delivery state of each recipient."""
    get_visible_conversation(api, conversation_id, caller)
    row = queries.get_message(api.engine, conversation_id, message_id)
    if row is None or is_withheld(row, view):
        raise UnknownMessageError("there is no such message in this conversation", "message_id")
    states = queries.find_messages(api.engine, conversation_id, [message_id])
    shown = to_message_view(row, states.get(message_id))
    response.headers["etag"] = f'"{shown.version}"'
    return shown


@raw.post(
    "/conversations/{conversation_id:id}/messages",
    summary="Post a message",
    tags=["messages"],
    openapi_extra=describe_raw_route(
        NewMessage,
        Acknowledgement,
        example={"participant_id": "ada", "text": "Where is my order?"},
        errors=(
            ConversationClosedError,
            MessageExistsError,
            StaleEpochError,
            NotInControlError,
            RejectedByHookError,
            HookFailedError,
        ),
        parameters={"conversation_id": ID_PATTERN},
    ),
)
async def create_message(request: Request) -> Response:
    """Record a message. 201: it is on disk; 200: it was on disk already."""
    reader = partial(parse_message, request.path_params["conversation_id"])
    return await ingest_one(request, reader, PARTICIPATE, runs_hooks=True)


class Edit(Body, kw_only=True, forbid_unknown_fields=True):
    """The new text of a message."""

    text: str


class Reaction(Body, kw_only=True, forbid_unknown_fields=True):
    """The reaction; null removes it."""

    participant_id: Id
    reaction: Annotated[str, Meta(max_length=64)] | None


class ReceiptReport(Body, kw_only=True, forbid_unknown_fields=True):
    """The receipt of a delivery to `participant_id`; `attempt` counts from 1."""

    status: Literal["submitted", "delivered", "read", "failed"]
    attempt: Annotated[int, Meta(ge=1, le=1000)] = 1
    error_code: Annotated[str, Meta(max_length=128)] | None = None


MESSAGE = "/conversations/{conversation_id:id}/messages/{message_id:id}"


@commands.command(
    "PATCH",
    MESSAGE,
    Edit,
    tag="messages",
    example={"text": "Where is order 7?"},
    is_edit=True,
)
def edit_message(body: Edit) -> Draft:
    """Edit the text of a message. The earlier text stays in the record."""
    return Draft(event_type="message.edited", text=body.text)


@commands.command(
    "DELETE",
    MESSAGE,
    Reason,
    tag="messages",
    example={"reason": "sent to the wrong one"},
    is_edit=True,
)
def delete_message(body: Reason) -> Draft:
    """Delete the text of a message. The message stays as a tombstone."""
    return Draft(event_type="message.deleted", payload=payload(reason=body.reason))


@commands.command(
    "POST",
    f"{MESSAGE}/reactions",
    Reaction,
    tag="messages",
    example={"participant_id": "ada", "reaction": "👍"},
    scopes=(PARTICIPATE,),
)
def react_to_message(body: Reaction) -> Draft:
    """Add a reaction to a message, or remove it."""
    return Draft(event_type="message.reacted", payload={"reaction": body.reaction})


@commands.command(
    "POST",
    f"{MESSAGE}/receipts",
    ReceiptReport,
    tag="receipts",
    example={"participant_id": "ada", "status": "delivered"},
    scopes=(PARTICIPATE,),
)
def report_receipt(body: ReceiptReport) -> Draft:
    """Record a receipt. A late one of a lower rank is stored and changes nothing."""
    given = payload(attempt=None if body.attempt == 1 else body.attempt, error_code=body.error_code)
    return Draft(event_type=f"message.{body.status}", payload=given)
