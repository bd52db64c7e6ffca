"""Ingest stats: counters of received events and their results."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ingest.api.dependencies import Context, RequireRead
from ingest.api.openapi import problem_responses
from ingest.errors import (
    InvalidRequestError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
)
from ingest.log import queries
from ingest.log.cursor import encode_cursor

router = APIRouter(
    prefix="/v1",
    tags=["ingest stats"],
    responses=problem_responses(
        (UnauthorizedError, RateLimitedError, MissingScopeError, InvalidRequestError)
    ),
)


class SourceStats(BaseModel):
    """Counters of one source; received = accepted + duplicate + conflict + rejected + parked."""

    source: str
    received: int = Field(description="events received, counted before parsing")
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    generated: int = Field(description="events that the server added")
    parked: int = Field(description="events that wait for their message")


class IngestStats(BaseModel):
    """All counters; stored = accepted + generated."""

    stored: int
    head: str = Field(description="cursor after the newest event; for `WS /v1/live?after=`")
    sources: list[SourceStats]


@router.get("/ingest-stats")
def get_ingest_stats(api: Context, caller: RequireRead) -> IngestStats:
    """Return the counters of the caller's source; of all sources with the scope admin."""
    rows = [SourceStats.model_validate(dict(row)) for row in queries.list_ingest_stats(api.engine)]
    mine = [row for row in rows if caller.is_admin or row.source == caller.source]
    head = queries.head(api.engine)
    return IngestStats(stored=sum(head.values()), head=encode_cursor(head), sources=mine)
