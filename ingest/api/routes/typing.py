"""Typing indicators."""

import asyncio
import logging
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ingest.api.dependencies import (
    AppContext,
    Context,
    RequireParticipation,
    RequireParticipationRead,
    get_visible_conversation,
)
from ingest.api.id_paths import path_of
from ingest.api.intake import submit
from ingest.api.openapi import READ_ERRORS, problem_responses
from ingest.auth.permissions import Caller
from ingest.contract import from_micros
from ingest.events.conversation_errors import UnknownParticipantError
from ingest.events.conversation_state import Conversation
from ingest.events.draft import Command, Draft
from ingest.log.writer_requests import Append, IncomingEvent

logger = logging.getLogger(__name__)

MAX_TYPING_SECONDS = 30
"""Maximum seconds of one typing indicator. Clients repeat it while the participant types."""


router = APIRouter(
    prefix="/v1",
    tags=["typing"],
    responses=problem_responses((*READ_ERRORS, UnknownParticipantError)),
)


class Typing(BaseModel):
    """How long a participant counts as typing without another request."""

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[int, Field(ge=1, le=MAX_TYPING_SECONDS, strict=True)] = 5


class TypingList(BaseModel):
    """Everyone who is typing, and until when: always the whole list, which replaces the last."""

    items: list[dict[str, str]]


@router.put(
    "/conversations/{conversation_id:id}/typing/{participant_id:id}",
    openapi_extra={"requestBody": {"content": {"application/json": {"example": {"seconds": 5}}}}},
)
async def start_typing(
    request: Request,
    api: Context,
    caller: RequireParticipation,
    conversation_id: str,
    participant_id: str,
    body: Typing,
) -> TypingList:
    """Start a typing indicator; repeat it before it expires."""
    _member(get_visible_conversation(api, conversation_id, caller), participant_id, caller)
    if await share_typing(api, conversation_id, participant_id, body.seconds):
        await _store(request, api, caller, "typing.started", conversation_id, participant_id)
    return _list(api, conversation_id)


@router.delete("/conversations/{conversation_id:id}/typing/{participant_id:id}")
async def stop_typing(
    request: Request,
    api: Context,
    caller: RequireParticipation,
    conversation_id: str,
    participant_id: str,
) -> TypingList:
    """Stop a typing indicator."""
    _member(get_visible_conversation(api, conversation_id, caller), participant_id, caller)
    if await share_typing(api, conversation_id, participant_id, 0):
        await _store(request, api, caller, "typing.stopped", conversation_id, participant_id)
    return _list(api, conversation_id)


@router.get("/conversations/{conversation_id:id}/typing")
def list_typing(api: Context, caller: RequireParticipationRead, conversation_id: str) -> TypingList:
    """List who is typing."""
    get_visible_conversation(api, conversation_id, caller)
    return _list(api, conversation_id)


def _member(state: Conversation, participant_id: str, caller: Caller) -> None:
    caller.act_as(Draft(event_type="typing.started", participant_id=participant_id))
    if participant_id not in state.participants:
        raise UnknownParticipantError(
            "this participant is not in the conversation", "participant_id"
        )


def _list(api: AppContext, conversation_id: str) -> TypingList:
    now = api.typing.active(conversation_id)
    return TypingList(
        items=[
            {"participant_id": who, "until": from_micros(at).isoformat()} for who, at in now.items()
        ]
    )


async def share_typing(
    api: AppContext, conversation_id: str, participant_id: str, seconds: int
) -> bool:
    """Start or stop (0) an indicator here and in every other process; return whether it changed here."""
    is_new = update_typing(api, conversation_id, participant_id, seconds)
    if api.peers is not None:
        message = {
            "conversation_id": conversation_id,
            "participant_id": participant_id,
            "seconds": seconds,
        }
        try:
            await api.peers.broadcast(message)
        except Exception:  # what else the request did is stored, and an indicator expires soon
            logger.exception("other processes do not know who is typing")
    return is_new


def update_typing(api: AppContext, conversation_id: str, participant_id: str, seconds: int) -> bool:
    """Start or stop (0) a typing indicator in this process and publish it; return whether it changed."""
    if seconds:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds + 0.01, _publish, api, conversation_id)  # it expires automatically
        is_new = api.typing.start(conversation_id, participant_id, seconds)
    else:
        is_new = api.typing.stop(conversation_id, participant_id)
    _publish(api, conversation_id)
    return is_new


def _publish(api: AppContext, conversation_id: str) -> None:
    api.broadcaster.publish_typing(conversation_id, _list(api, conversation_id).items)


async def _store(
    request: Request,
    api: Context,
    caller: Caller,
    event_type: str,
    conversation_id: str,
    participant_id: str,
) -> None:
    if not api.store_typing:
        return
    draft = Draft(
        event_type=event_type, conversation_id=conversation_id, participant_id=participant_id
    )
    await submit(
        api,
        Append(
            caller.source, path_of(request.scope), 1, [IncomingEvent(b"", draft, command=Command())]
        ),
    )
