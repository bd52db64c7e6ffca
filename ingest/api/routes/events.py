"""Events: record facts, and read a conversation's events in order."""

import time
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from ingest.api.dependencies import (
    Context,
    RequireParticipationRead,
    View,
    get_visible_conversation,
    require_participation_read,
)
from ingest.api.intake import encode_json, ingest_batch
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
from ingest.errors import PlaceBeyondEndError
from ingest.events.draft import Draft
from ingest.log.queries import list_event_views
from ingest.log.writer_requests import Acknowledgement

router = APIRouter(
    prefix="/v1",
    responses=problem_responses((*READ_ERRORS, PlaceBeyondEndError)),
    dependencies=[Depends(require_participation_read)],
)
raw = APIRouter(route_class=RawRoute, prefix="/v1")


Wait = Annotated[
    int,
    Query(ge=0, le=30, description="seconds that the response waits for an event if there is none"),
]


class BatchResponse(Struct, kw_only=True):
    """The numbers of events by result, and an acknowledgement for each event, in the order sent."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    results: list[Acknowledgement]


@raw.post(
    "/events",
    summary="Record events",
    tags=["events"],
    openapi_extra=describe_raw_route(
        Draft,
        Acknowledgement,
        batch_answer=BatchResponse,
        example=[
            {"event_type": "conversation.created", "conversation_id": "order-7", "channel": "web"},
            {
                "event_type": "message.created",
                "event_id": "order-7-m1",
                "conversation_id": "order-7",
                "participant_id": "ada",
                "participant_role": "customer",
                "text": "Where is my order?",
            },
        ],
    ),
)
async def record_events(request: Request) -> Response:
    """Record facts: one event (an object) or a batch (an array, or NDJSON).

    At most 10,000 events or 8 MiB at once, 256 KiB an event. A batch answers 200 if every event is on
    disk, 207 if some were rejected; `results` has one entry for each, in the order sent.
    """
    results = await ingest_batch(request)
    if isinstance(results, Response):
        return results
    counts = Counter(result.status for result in results)
    answer = BatchResponse(
        accepted=counts["accepted"],
        duplicate=counts["duplicate"],
        conflict=counts["conflict"],
        rejected=counts["rejected"],
        parked=counts["parked"],
        results=list(results),
    )
    status = 207 if answer.conflict or answer.rejected else 200
    return Response(encode_json(answer), status, media_type="application/json")


class EventPage(BaseModel):
    """A page of events with their columns; a withheld event keeps its place."""

    items: list[dict[str, Any]]
    cursor: str | None
    has_more: bool


@router.get("/conversations/{conversation_id:id}/events", tags=["events"])
async def list_events(
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
    wait: Wait = 0,
) -> EventPage:
    """Return every durable event of a conversation, in order and without a gap.

    With `wait`, an empty page is answered as soon as an event arrives, after that number of seconds, or
    when the server stops.
    """
    span = to_span(order, from_cursor(cursor), after_sequence, before_sequence)

    def read() -> list[dict[str, Any]]:
        state = get_visible_conversation(api, conversation_id, caller)
        check_sequence(after_sequence, state.last_sequence)
        return list_event_views(api.engine, conversation_id, limit + 1, span, view)

    with api.broadcaster.subscribe(conversation_id) as listener:
        until = time.monotonic() + wait
        listener.start()
        found = await run_in_threadpool(read)
        while (
            not found and not api.broadcaster.is_stopping and (left := until - time.monotonic()) > 0
        ):
            await listener.receive(left)
            listener.start()
            found = await run_in_threadpool(read)
    more = len(found) > limit
    return EventPage(
        items=found[:limit],
        cursor=to_cursor(found[limit - 1]["sequence"]) if more else None,
        has_more=more,
    )
