"""Reviews: a QA team's judgements of conversations. They change no conversation; the warehouse reads them."""

from msgspec import to_builtins

from ingest.api.command_router import Body, CommandRouter
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.draft import Draft
from ingest.events.review_errors import (
    OwnReviewError,
    ReviewItemNotHeldError,
    ReviewStateError,
    ScorecardMismatchError,
    UnknownReviewError,
    UnknownReviewItemError,
    UnknownSampleError,
)
from ingest.events.review_payloads import (
    ReviewAcknowledged,
    ReviewDisputed,
    ReviewResolved,
    ReviewSubmitted,
)

commands = CommandRouter()

ERRORS = (UnknownConversationError, UnknownReviewError)
ITEM_ERRORS = (
    UnknownConversationError,
    UnknownSampleError,
    UnknownReviewItemError,
    ReviewItemNotHeldError,
    ScorecardMismatchError,
)


class NewReview(Body, kw_only=True, forbid_unknown_fields=True):
    """A judgement. `participant_id` is the reviewer; the answer's `event_id` is the review's id.

    With `assignment_id`, the reviewer must hold the conversation (`POST /v1/review-samples/{sample_id}/claims`).
    """

    review: ReviewSubmitted


class NewDispute(Body, kw_only=True, forbid_unknown_fields=True):
    """A dispute. `participant_id` is who disputes it."""

    dispute: ReviewDisputed


class NewResolution(Body, kw_only=True, forbid_unknown_fields=True):
    """The end of a dispute. `participant_id` is who decided it: not the reviewer."""

    resolution: ReviewResolved


class NewAcknowledgement(Body, kw_only=True, forbid_unknown_fields=True):
    """The reviewed person has read the review. `participant_id` is this person."""

    acknowledgement: ReviewAcknowledged


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/reviews",
    NewReview,
    tag="reviews",
    scope="review",
    errors=ITEM_ERRORS,
    example={
        "participant_id": "noor",
        "review": {
            "scorecard": "service",
            "scorecard_version": 1,
            "score": 75.0,
            "ratings": {"accuracy": 1.0, "tone": 0.5, "process": None},
            "sampling": "random",
        },
    },
)
def submit_review(body: NewReview) -> Draft:
    """Review a conversation."""
    return Draft(event_type="review.submitted", payload=to_builtins(body.review))


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/review-disputes",
    NewDispute,
    tag="reviews",
    scope="review",
    errors=ERRORS,
    example={
        "participant_id": "mira",
        "dispute": {"review_id": "r1", "reason": "The tone was right."},
    },
)
def dispute_review(body: NewDispute) -> Draft:
    """Dispute a review."""
    return Draft(event_type="review.disputed", payload=to_builtins(body.dispute))


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/review-resolutions",
    NewResolution,
    tag="reviews",
    scope="review",
    errors=(*ERRORS, OwnReviewError, ReviewStateError),
    example={"participant_id": "lead", "resolution": {"review_id": "r1", "outcome": "upheld"}},
)
def resolve_dispute(body: NewResolution) -> Draft:
    """Settle the dispute of a review."""
    return Draft(event_type="review.resolved", payload=to_builtins(body.resolution))


@commands.command(
    "POST",
    "/conversations/{conversation_id:id}/review-acknowledgements",
    NewAcknowledgement,
    tag="reviews",
    scope="review",
    errors=ERRORS,
    example={"participant_id": "mira", "acknowledgement": {"review_id": "r1"}},
)
def acknowledge_review(body: NewAcknowledgement) -> Draft:
    """Record that the reviewed person has read a review."""
    return Draft(event_type="review.acknowledged", payload=to_builtins(body.acknowledgement))
