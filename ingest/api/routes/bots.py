"""Where bot frameworks send their own records."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from ingest.api import request_body
from ingest.api.bot_intake import TranslatedRecords, split_records, translate
from ingest.api.dependencies import authorize, get_context, preload_credentials
from ingest.api.id_paths import path_of
from ingest.api.intake import encode_json, submit
from ingest.api.openapi import WRITE_ERRORS, describe_records_route
from ingest.api.raw_route import RawRoute
from ingest.bots import LOGGERS
from ingest.errors import IngestError, LogUnavailableError, UnknownFrameworkError
from ingest.events.conversation_errors import ConversationExistsError
from ingest.log.writer_requests import Acknowledgement, Append, IncomingEvent

raw = APIRouter(route_class=RawRoute, prefix="/v1", tags=["bots"])


class BotRecord(Struct):
    """What a framework logs: any JSON object in its own form; docs/bots has a page for each framework."""


class RecordError(Struct, kw_only=True, omit_defaults=True):
    """Why an event of a record was not stored. `record` counts from 0."""

    record: int
    event_id: str | None = None
    error: IngestError


class RecordsResponse(Struct, kw_only=True):
    """The number of records, of events by result, of parts that are no event; and each error with its record."""

    records: int
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    unused: int = 0
    errors: list[RecordError] = []


@raw.post(
    "/bots/{framework}",
    summary="Record what a bot framework logs",
    openapi_extra=describe_records_route(
        BotRecord,
        RecordsResponse,
        example=LOGGERS["openai-chat"].example,
        frameworks=list(LOGGERS),
        errors=(*WRITE_ERRORS, UnknownFrameworkError),
    ),
)
async def record_bot_records(request: Request) -> Response:
    """Record the conversations in a framework's own records: one object, an array, or NDJSON.

    Ids are derived from the records, so they may be sent again. At most 10,000 records or 8 MiB at once. 200
    says that every event is on disk, 207 that some were rejected; `errors` names their records. The times of
    the records order nothing, and count as `happened_at` for keys with the scope import.
    """
    await preload_credentials(request)
    caller = authorize(request, "events:write")
    framework = request.path_params["framework"]
    if (logger := LOGGERS.get(framework)) is None:
        raise UnknownFrameworkError(f"there are: {', '.join(LOGGERS)}", "framework")
    api, path, body = get_context(request), path_of(request.scope), b""
    try:
        body = await request_body.read_body(request, request_body.MAX_BATCH_BYTES)
        records = split_records(body, request_body.media_type(request))
    except LogUnavailableError:
        raise
    except IngestError as error:
        await submit(api, Append(caller.source, path, 1, [IncomingEvent(body, error=error)]))
        raise
    found = await run_in_threadpool(translate, api, caller, logger, records)
    events = found.arrivals
    append = Append(caller.source, path, len(events), events, channels=caller.channels)
    answer = _answer(len(records), found, await submit(api, append) if events else [])
    status = 207 if answer.errors else 200
    return Response(encode_json(answer), status, media_type="application/json")


def _answer(
    records: int, found: TranslatedRecords, results: Sequence[Acknowledgement]
) -> RecordsResponse:
    counts: Counter[str] = Counter()
    errors = []
    for record, arrival, result in zip(found.records, found.arrivals, results, strict=True):
        if result.error is None or _is_created(arrival, result.error):
            counts["duplicate" if result.error else result.status] += 1
        else:
            counts[result.status] += 1
            errors.append(RecordError(record=record, event_id=result.event_id, error=result.error))
    return RecordsResponse(
        records=records, unused=found.unused, errors=errors, **dict[str, Any](counts)
    )


def _is_created(arrival: IncomingEvent, error: IngestError) -> bool:
    """Return whether another request created the conversation at the same moment."""
    is_creation = arrival.draft is not None and arrival.draft.event_type == "conversation.created"
    return is_creation and isinstance(error, ConversationExistsError)
