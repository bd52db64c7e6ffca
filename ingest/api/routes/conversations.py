"""Conversations: open, list, change, resolve, close."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from ingest.api.command_router import Body, CommandRouter, ConversationChange, Reason, Text, payload
from ingest.api.conversation_view import ConversationView, to_conversation_view
from ingest.api.dependencies import (
    Context,
    RequireRead,
    authenticate,
    get_visible_conversation,
    require_read,
)
from ingest.api.intake import NewConversation, conversation_fields, ingest_one, parse_conversation
from ingest.api.openapi import READ_ERRORS, describe_raw_route, problem_responses
from ingest.api.pagination import Limit, PageCursor, from_keyed_cursor, to_cursor
from ingest.api.raw_route import RawRoute
from ingest.events.conversation_errors import ConversationExistsError
from ingest.events.draft import Draft
from ingest.log import contact_queries, queries
from ingest.log.writer_requests import Acknowledgement

router = APIRouter(
    prefix="/v1", responses=problem_responses(READ_ERRORS), dependencies=[Depends(require_read)]
)


raw = APIRouter(prefix="/v1", route_class=RawRoute)
commands = CommandRouter()


class ConversationPage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[ConversationView]
    cursor: str | None
    has_more: bool


@raw.post(
    "/conversations",
    summary="Open a conversation",
    tags=["conversations"],
    openapi_extra=describe_raw_route(
        NewConversation,
        Acknowledgement,
        errors=(ConversationExistsError,),
        example={
            "channel": "web",
            "participants": [
                {"participant_id": "ada", "participant_role": "customer"},
                {"participant_id": "helper", "participant_role": "bot"},
            ],
        },
    ),
)
async def create_conversation(request: Request) -> Response:
    """Create a conversation with its participants. 201: it is on disk."""
    source = authenticate(request).source
    return await ingest_one(request, partial(parse_conversation, source, request.app.state.new_id))


@router.get("/conversations", tags=["conversations"])
def list_conversations(
    api: Context,
    caller: RequireRead,
    limit: Limit = 50,
    cursor: PageCursor = None,
    channel: str | None = None,
    conversation_key: Annotated[str | None, Query(max_length=512)] = None,
    contact_id: Annotated[str | None, Query(max_length=512)] = None,
) -> ConversationPage:
    """List conversations, newest first; optionally by your own key, or of one contact and those merged with it."""
    found = queries.list_conversations(
        api.engine,
        limit + 1,
        from_keyed_cursor(cursor),
        {"channel": channel, "conversation_key": conversation_key},
        caller.channels,
        () if contact_id is None else contact_queries.merged_ids(api.engine, contact_id),
    )
    page = found[:limit]
    more = len(found) > limit
    return ConversationPage(
        items=[to_conversation_view(each) for each in page],
        cursor=to_cursor(page[-1].created_position, page[-1].conversation_id) if more else None,
        has_more=more,
    )


@router.get("/conversations/{conversation_id:id}", tags=["conversations"])
def get_conversation(
    api: Context, caller: RequireRead, conversation_id: str, response: Response
) -> ConversationView:
    """Return a conversation in its current state, with its ETag."""
    state = get_visible_conversation(api, conversation_id, caller)
    response.headers["etag"] = f'"{state.version}"'
    return to_conversation_view(state)


class StateChange(Body, kw_only=True, forbid_unknown_fields=True):
    """The new state of a conversation."""

    to: Literal["active", "inactive", "closed"]
    reason: Text | None = None


class Resolution(Body, kw_only=True, forbid_unknown_fields=True):
    """Who met the demand, and whether the customer confirmed it."""

    resolved_by: Literal["bot", "agent", "customer"] | None = None
    is_confirmed: bool = False
    reason: Text | None = None


@commands.command(
    "PATCH",
    "/conversations/{conversation_id:id}",
    ConversationChange,
    tag="conversations",
    example={"subject": "Order 7", "labels": ["delivery"], "priority": "high"},
    is_edit=True,
)
def update_conversation(body: ConversationChange) -> Draft:
    """Update a conversation.

    With `If-Match` and the ETag of your last read, two concurrent updates cannot overwrite each other.
    """
    return Draft(event_type="conversation.updated", payload=conversation_fields(body) or None)


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/state",
    StateChange,
    tag="conversations",
    example={"to": "closed", "reason": "spam"},
    is_edit=True,
)
def change_state(body: StateChange) -> Draft:
    """Make a conversation active, inactive or closed. Closed is final."""
    given = payload(to=body.to, reason=body.reason)
    return Draft(event_type="conversation.state_changed", payload=given)


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/resolve",
    Resolution,
    tag="conversations",
    example={"resolved_by": "bot", "is_confirmed": True},
    is_edit=True,
)
def resolve_conversation(body: Resolution) -> Draft:
    """Mark the demand as met. The customer's next message reopens it."""
    given = payload(
        resolved_by=body.resolved_by, is_confirmed=body.is_confirmed, reason=body.reason
    )
    return Draft(event_type="conversation.resolved", payload=given)


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/reopen",
    Reason,
    tag="conversations",
    example={"reason": "the parcel did not come"},
    is_edit=True,
)
def reopen_conversation(body: Reason) -> Draft:
    """Mark the demand as open again."""
    return Draft(event_type="conversation.reopened", payload=payload(reason=body.reason))


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/session/end",
    Reason,
    tag="sessions",
    example={"reason": "explicit"},
)
def end_session(body: Reason) -> Draft:
    """End the open session. The next message starts another."""
    return Draft(event_type="session.ended", payload={"reason": body.reason or "explicit"})
