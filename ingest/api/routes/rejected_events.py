"""Rejected events: list and replay."""

from datetime import datetime
from typing import Annotated
from uuid import uuid5

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.accounts.channel_calls import get_call
from ingest.accounts.registry import get_account
from ingest.api.dependencies import AppContext, Context, RequireEventsWrite, RequireRead
from ingest.api.hook_gate import run_hooks
from ingest.api.intake import parse, parser_for, submit, to_response
from ingest.api.openapi import WRITE_ERRORS, problem_responses
from ingest.api.pagination import from_cursor, to_cursor
from ingest.api.taken_call import CALL_PATH
from ingest.auth.permissions import Caller
from ingest.channels.base import ChannelAdapter
from ingest.channels.registry import find_adapter
from ingest.contract import NAMESPACE, from_micros
from ingest.errors import (
    ForbiddenError,
    HookFailedError,
    InvalidRequestError,
    MissingScopeError,
    RateLimitedError,
    RejectedByHookError,
    UnauthorizedError,
    UnknownRejectedEventError,
)
from ingest.log.rejected_event_queries import get_rejected_event, list_rejected_events
from ingest.log.writer_requests import Append

router = APIRouter(
    prefix="/v1",
    tags=["ingest stats"],
    responses=problem_responses(
        (UnauthorizedError, RateLimitedError, MissingScopeError, InvalidRequestError)
    ),
)


class RejectedEventView(BaseModel):
    """A rejected event, with its bytes and the reason."""

    rejected_id: int
    received_at: datetime
    source: str
    path: str = Field(description="the route that received it")
    code: str
    detail: str
    field: str | None
    size: int = Field(description="number of bytes received")
    raw: str = Field(description="the first 256 KiB; bytes that are not UTF-8 are replaced")
    replayed_at: datetime | None
    replayed_event_id: str | None


class RejectedPage(BaseModel):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[RejectedEventView]
    cursor: str | None
    has_more: bool


@router.get("/rejected")
def list_rejected(
    api: Context,
    caller: RequireRead,
    limit: Annotated[int, Query(ge=1, le=100, description="items a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`cursor` of the page before")
    ] = None,
    code: Annotated[str | None, Query(max_length=64, description="only with this code")] = None,
) -> RejectedPage:
    """List rejected events, newest first: of the caller's source; of all with the scope admin."""
    found = list_rejected_events(
        api.engine, limit + 1, from_cursor(cursor), _source_filter(caller), code
    )
    page = [_view(row) for row in found[:limit]]
    more = len(found) > limit
    return RejectedPage(
        items=page, cursor=to_cursor(page[-1].rejected_id) if more else None, has_more=more
    )


@router.post(
    "/rejected/{rejected_id}/replay",
    responses={
        200: {"description": "On disk already"},
        201: {"description": "On disk"},
        202: {"description": "On disk, and waits for the message that it speaks of"},
        **problem_responses(
            (UnknownRejectedEventError, RejectedByHookError, HookFailedError, *WRITE_ERRORS)
        ),
    },
)
async def replay_rejected(
    request: Request,
    api: Context,
    caller: RequireEventsWrite,
    rejected_id: Annotated[int, Path(ge=1, lt=2**63)],
) -> Response:
    """Replay a rejected event by its own route, as its own source. Safe to repeat: it is stored once.

    Hooks run again for a posted message; they may reject it again.
    """
    row = get_rejected_event(api.engine, rejected_id, _source_filter(caller))
    if row is None:
        raise UnknownRejectedEventError("there is no rejected event with this id", "rejected_id")
    if row["code"] == ForbiddenError.code:
        raise ForbiddenError("the source may not send this event, and a replay cannot change that")
    if row["path"].startswith(CALL_PATH):
        return await _read_call_again(api, row)
    read = parser_for(row["path"], row["source"], request.app.state.new_id)
    named = row["event_id"] or str(uuid5(NAMESPACE, f"replay/{row['source']}/{rejected_id}"))
    arrival = parse(row["raw"], read, named, caller)
    if api.hooks.hooks and row["path"].endswith("/messages"):
        arrival = await run_hooks(api, row["source"], caller.channels, arrival)
    (answer,) = await submit(
        api,
        Append(row["source"], row["path"], 1, [arrival], rejected_id, caller.channels),
    )
    return to_response(answer)


async def _read_call_again(api: AppContext, row: RowMapping) -> Response:
    """Read a provider's call again. Events of it that are stored already are duplicates."""
    call_id = row["path"].partition("?call=")[2]
    kept = await run_in_threadpool(get_call, api.engine, call_id)
    adapter = None if kept is None else await run_in_threadpool(_adapter_of, api, kept.account_id)
    if kept is None or adapter is None:
        raise InvalidRequestError("the provider's call is not kept any more")
    answers = await api.channels.read_again(kept, adapter, api.public_url or "", row["rejected_id"])
    for answer in answers:
        if answer.error is not None:
            raise answer.error
    if not answers:
        raise InvalidRequestError("what this call refers to has not arrived yet")
    return to_response(answers[-1])


def _adapter_of(api: AppContext, account_id: str) -> ChannelAdapter | None:
    account = get_account(api.engine, account_id)
    return None if account is None else find_adapter(account.provider)


def _source_filter(caller: Caller) -> str | None:
    if caller.channels:
        raise ForbiddenError(
            "rejected events belong to any channel; this key is for some channels only"
        )
    return None if caller.is_admin else caller.source


def _view(row: RowMapping) -> RejectedEventView:
    values = dict(row)
    for name in ("received_at", "replayed_at"):
        values[name] = None if values[name] is None else from_micros(values[name])
    values["raw"] = values["raw"].decode("utf-8", "replace")
    return RejectedEventView.model_validate(values)
