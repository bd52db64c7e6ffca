"""Scorecards and samples: what reviewers review, with what, and who holds what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from msgspec import to_builtins
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ingest.api.command_router import Body, CommandRouter
from ingest.api.dependencies import AppContext, Context, authorize
from ingest.api.intake import encode_json
from ingest.api.openapi import READ_ERRORS, describe_answer, problem_responses
from ingest.api.pagination import PageCursor, from_keyed_cursor, to_cursor
from ingest.api.review_view import (
    ClaimResult,
    ItemList,
    ReviewPage,
    SampleList,
    ScorecardList,
    to_claim,
    to_items,
    to_sample_progress,
)
from ingest.api.routes.webhooks import example
from ingest.auth.permissions import Caller
from ingest.errors import ForbiddenError, LogUnavailableError
from ingest.events.draft import Draft
from ingest.events.payloads import ID_PATTERN
from ingest.events.review_errors import (
    ReviewStateError,
    SampleExistsError,
    ScorecardExistsError,
    UnknownReviewItemError,
    UnknownSampleError,
    UnknownScorecardError,
)
from ingest.events.review_payloads import ReviewItemReplaced, ReviewSampled, ScorecardPublished
from ingest.events.review_state import Sample
from ingest.log import review_queries
from ingest.log.review_queries import ReviewCounts, ReviewFilter
from ingest.log.writer_requests import ClaimReviewItem, ReleaseReviewItem

MAX_REVIEWS_PER_PAGE = 500

commands = CommandRouter()


class NewScorecard(Body, kw_only=True, forbid_unknown_fields=True):
    """A version of a scorecard. `participant_id` is who publishes it."""

    scorecard: ScorecardPublished


class NewSample(Body, kw_only=True, forbid_unknown_fields=True):
    """A sample that was drawn. `participant_id` is who drew it."""

    sample: ReviewSampled


class NewReplacement(Body, kw_only=True, forbid_unknown_fields=True):
    """A conversation that leaves a sample. `participant_id` is who replaces it."""

    replacement: ReviewItemReplaced


@commands.command(
    "POST",
    "/scorecards",
    NewScorecard,
    tag="reviews",
    scope="review",
    errors=(ScorecardExistsError,),
    example={
        "participant_id": "lead",
        "scorecard": {
            "name": "service",
            "version": 1,
            "categories": [
                {"id": "accuracy", "title": "The answer is right", "weight": 2.0, "scale": 3},
                {"id": "tone", "title": "The tone fits", "causes": ["curt", "too long"]},
                {"id": "privacy", "title": "No data was disclosed", "criticality": "review"},
            ],
        },
    },
)
def publish_scorecard(body: NewScorecard) -> Draft:
    """Publish a version of a scorecard. It never changes: a change is another version."""
    return Draft(event_type="scorecard.published", payload=to_builtins(body.scorecard))


@commands.command(
    "POST",
    "/review-samples",
    NewSample,
    tag="reviews",
    scope="review",
    errors=(SampleExistsError, UnknownScorecardError),
    example={
        "participant_id": "lead",
        "sample": {
            "sample_id": "week-1",
            "title": "Handoffs of week 1",
            "scorecard": "service",
            "scorecard_version": 1,
            "sampling": "random",
            "seed": 7,
            "population": 120,
            "filters": {"handoff": "requested"},
            "items": [{"conversation_id": "c1", "inclusion_probability": 0.1}],
        },
    },
)
def draw_sample(body: NewSample) -> Draft:
    """Store a sample that you drew, at most 1,000 conversations; its population is frozen with it."""
    return Draft(event_type="review.sampled", payload=to_builtins(body.sample))


@commands.command(
    "POST",
    "/review-replacements",
    NewReplacement,
    tag="reviews",
    scope="review",
    errors=(UnknownSampleError, UnknownReviewItemError, ReviewStateError),
    example={
        "participant_id": "lead",
        "replacement": {
            "sample_id": "week-1",
            "conversation_id": "c1",
            "reason": "A test of our own.",
            "replacement": "c2",
        },
    },
)
def replace_item(body: NewReplacement) -> Draft:
    """Replace a conversation of a sample that has no review yet, or take it out."""
    return Draft(event_type="review.item_replaced", payload=to_builtins(body.replacement))


def require_review(connection: HTTPConnection) -> Caller:
    """Return the caller, who may read and write reviews of every channel.

    Raises ForbiddenError for a key of single channels: a sample has conversations of any channel.
    """
    caller = authorize(connection, "review")
    if caller.channels:
        raise ForbiddenError("samples and reviews are for keys of every channel")
    return caller


router = APIRouter(
    prefix="/v1",
    tags=["reviews"],
    responses=problem_responses((*READ_ERRORS, ForbiddenError)),
    dependencies=[Depends(require_review)],
)

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Reader = Annotated[
    str | None,
    Query(
        max_length=512,
        description="as whom to read: other people's reviews of an item of a sample are left out until this "
        "reviewer has reviewed that item",
    ),
]


class Claiming(BaseModel):
    """Who claims."""

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    reviewer: Id


class Releasing(Claiming):
    """Who gives which conversation back."""

    conversation_id: Id


@router.get("/scorecards", responses=describe_answer(ScorecardList))
def list_scorecards(api: Context) -> Response:
    """List every version of every scorecard, the newest last."""
    return _answer(ScorecardList(items=review_queries.list_scorecards(api.engine)))


@router.get("/review-samples", responses=describe_answer(SampleList))
def list_review_samples(api: Context) -> Response:
    """List samples with their progress, the newest last."""
    counts = review_queries.count_reviews(api.engine, api.clock())
    none = ReviewCounts({}, 0)
    return _answer(
        SampleList(
            items=[
                to_sample_progress(each, counts.get(each.sample_id, none))
                for each in review_queries.list_samples(api.engine)
            ]
        )
    )


SAMPLE_ERRORS = problem_responses((UnknownSampleError,))


@router.get(
    "/review-samples/{sample_id:id}/items", responses=SAMPLE_ERRORS | describe_answer(ItemList)
)
def list_review_items(api: Context, sample_id: str) -> Response:
    """List the conversations of a sample, in the order of review: who holds them, who has reviewed them."""
    sample = _require_sample(api, sample_id)
    reviewers = review_queries.list_reviewers(api.engine, sample_id)
    locks = review_queries.list_locks(api.engine, sample_id, api.clock())
    return _answer(ItemList(items=to_items(sample, reviewers, locks)))


CLAIM_ERRORS = problem_responses((UnknownSampleError, LogUnavailableError))


@router.post(
    "/review-samples/{sample_id:id}/claims",
    responses=CLAIM_ERRORS | describe_answer(ClaimResult),
    openapi_extra=example({"reviewer": "noor"}),
)
async def claim_review_item(api: Context, sample_id: str, body: Claiming) -> Response:
    """Claim the next conversation of a sample; it is locked until `locked_until`.

    A reviewer who claims again gets the same one, and prolongs the lock. A reviewer gets each one once,
    and no more reviewers hold one than it needs reviews. Safe to repeat.
    """
    await run_in_threadpool(_require_sample, api, sample_id)
    await api.writer.submit(ClaimReviewItem(sample_id, body.reviewer))
    locks = await run_in_threadpool(review_queries.list_locks, api.engine, sample_id, api.clock())
    return _answer(to_claim(locks.get(body.reviewer)))


@router.post(
    "/review-samples/{sample_id:id}/releases",
    responses=CLAIM_ERRORS | describe_answer(ClaimResult),
    openapi_extra=example({"reviewer": "noor", "conversation_id": "c1"}),
)
async def release_review_item(api: Context, sample_id: str, body: Releasing) -> Response:
    """Give a claimed conversation back, for others. Safe to repeat.

    The answer is what the reviewer holds of this sample now: usually nothing.
    """
    await run_in_threadpool(_require_sample, api, sample_id)
    await api.writer.submit(ReleaseReviewItem(sample_id, body.reviewer, body.conversation_id))
    locks = await run_in_threadpool(review_queries.list_locks, api.engine, sample_id, api.clock())
    return _answer(to_claim(locks.get(body.reviewer)))


@router.get("/reviews", responses=describe_answer(ReviewPage))
def list_reviews(
    api: Context,
    limit: Annotated[int, Query(ge=1, le=MAX_REVIEWS_PER_PAGE, description="items a page")] = 50,
    cursor: PageCursor = None,
    sample_id: Annotated[str | None, Query(max_length=512)] = None,
    conversation_id: Annotated[str | None, Query(max_length=512)] = None,
    reviewer: Reader = None,
) -> Response:
    """List reviews as they are after their disputes, oldest first; of a sample or of a conversation."""
    found, last = review_queries.list_reviews(
        api.engine,
        limit,
        from_keyed_cursor(cursor),
        ReviewFilter(sample_id, conversation_id, reviewer),
    )
    return _answer(
        ReviewPage(
            items=found,
            cursor=None if last is None else to_cursor(*last),
            has_more=last is not None,
        )
    )


def _require_sample(api: AppContext, sample_id: str) -> Sample:
    found = review_queries.get_sample(api.engine, sample_id)
    if found is None:
        raise UnknownSampleError("there is no sample with this id", "sample_id")
    return found


def _answer(answer: object) -> Response:
    return Response(encode_json(answer), media_type="application/json")
