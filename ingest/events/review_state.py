"""The states of scorecards, samples and reviews: folds of the review events, as the API shows them."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ingest.contract import from_micros
from ingest.events.review_payloads import (
    Category,
    CorrectedAnswer,
    PinnedComment,
    ReviewDisputed,
    ReviewItemReplaced,
    ReviewResolved,
    ReviewSampled,
    ReviewSubmitted,
    SampleItem,
    ScorecardPublished,
)
from ingest.events.stored_event import StoredEvent, decode_payload, decode_payload_as

ReviewStatus = Literal["submitted", "disputed", "upheld", "changed"]


class Scorecard(Struct, kw_only=True):
    """A published version of a scorecard."""

    name: str
    version: int
    categories: list[Category]
    published_by: str | None
    published_at: datetime


class ReplacedItem(Struct, kw_only=True):
    """A conversation that left a sample, and why."""

    conversation_id: str
    reason: str
    replacement: str | None
    replaced_by: str | None
    replaced_at: datetime


class SampleDraw(Struct, kw_only=True):
    """How a sample was drawn, and by whom."""

    sample_id: str
    title: str
    scorecard: str
    scorecard_version: int
    sampling: str
    seed: int
    population: int
    filters: dict[str, Any]
    reviews_per_conversation: int
    is_calibration: bool
    due_on: date | None
    drawn_by: str | None
    drawn_at: datetime


class Sample(SampleDraw, kw_only=True):
    """A sample, with the conversations that are in it now."""

    items: list[SampleItem]
    replaced: list[ReplacedItem] = []

    def find_item(self, conversation_id: str | None) -> SampleItem | None:
        """Return the item of a conversation; None if the sample does not have it."""
        found = (each for each in self.items if each.conversation_id == conversation_id)
        return next(found, None)


class Dispute(Struct, kw_only=True):
    """A dispute of a review, and how it ended."""

    disputed_by: str | None
    disputed_at: datetime
    reason: str
    category: str | None = None
    expected_rating: float | None = None
    outcome: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None


class Review(Struct, kw_only=True):
    """A review as it is after its disputes; `first_score` is the submitted one."""

    review_id: str
    conversation_id: str
    message_id: str | None
    reviewer: str | None
    reviewee: str | None
    submitted_at: datetime
    scorecard: str
    scorecard_version: int
    score: float
    first_score: float
    ratings: dict[str, float | None]
    first_ratings: dict[str, float | None]
    causes: dict[str, list[str]]
    is_critical_failure: bool
    comment: str | None
    comments: list[PinnedComment]
    corrected_answers: list[CorrectedAnswer]
    tags: list[str]
    assignment_id: str | None
    sampling: str
    inclusion_probability: float | None
    is_calibration: bool
    seconds_spent: int | None
    status: ReviewStatus = "submitted"
    disputes: list[Dispute] = []
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None


decode_scorecard = msgspec.msgpack.Decoder(Scorecard).decode
decode_sample = msgspec.msgpack.Decoder(Sample).decode
decode_review = msgspec.msgpack.Decoder(Review).decode


def to_scorecard(event: StoredEvent) -> Scorecard | None:
    """Return the scorecard that a `scorecard.published` publishes."""
    payload = decode_payload_as(event, ScorecardPublished)
    if payload is None:
        return None
    return Scorecard(
        **msgspec.structs.asdict(payload),
        published_by=event.participant_id,
        published_at=from_micros(event.happened_at),
    )


def to_sample(event: StoredEvent) -> Sample | None:
    """Return the sample that a `review.sampled` draws."""
    payload = decode_payload_as(event, ReviewSampled)
    if payload is None:
        return None
    return Sample(
        **msgspec.structs.asdict(payload),
        drawn_by=event.participant_id,
        drawn_at=from_micros(event.happened_at),
    )


def to_review(event: StoredEvent) -> Review | None:
    """Return the review that a `review.submitted` submits."""
    payload = decode_payload_as(event, ReviewSubmitted)
    conversation_id = decode_payload(event).get("conversation_id")
    if payload is None or payload.score is None or not isinstance(conversation_id, str):
        return None
    return Review(
        **msgspec.structs.asdict(payload),
        review_id=event.event_id,
        conversation_id=conversation_id,
        reviewer=event.participant_id,
        submitted_at=from_micros(event.happened_at),
        first_score=payload.score,
        first_ratings=payload.ratings,
    )


def replace_item(sample: Sample, event: StoredEvent) -> None:
    """Project a `review.item_replaced` onto its sample. The replacement takes the item's place and chance."""
    payload = decode_payload_as(event, ReviewItemReplaced)
    if payload is None:
        return
    sample.items = list(_with_replacement(sample.items, payload))
    replaced = ReplacedItem(
        conversation_id=payload.conversation_id,
        reason=payload.reason,
        replacement=payload.replacement,
        replaced_by=event.participant_id,
        replaced_at=from_micros(event.happened_at),
    )
    sample.replaced = [*sample.replaced, replaced]


def _with_replacement(items: list[SampleItem], payload: ReviewItemReplaced) -> Iterator[SampleItem]:
    for each in items:
        if each.conversation_id != payload.conversation_id:
            yield each
        elif payload.replacement is not None:
            yield msgspec.structs.replace(each, conversation_id=payload.replacement)


def apply_to_review(review: Review, event: StoredEvent) -> None:
    """Project an event about a review onto it."""
    match event.event_type:
        case "review.disputed":
            _dispute(review, event)
        case "review.resolved":
            _resolve(review, event)
        case "review.acknowledged" if review.acknowledged_at is None:
            review.acknowledged_by = event.participant_id
            review.acknowledged_at = from_micros(event.happened_at)


def _dispute(review: Review, event: StoredEvent) -> None:
    payload = decode_payload_as(event, ReviewDisputed)
    if payload is None:
        return
    dispute = Dispute(
        disputed_by=event.participant_id,
        disputed_at=from_micros(event.happened_at),
        reason=payload.reason,
        category=payload.category,
        expected_rating=payload.expected_rating,
    )
    review.disputes = [*review.disputes, dispute]
    review.status = "disputed"


def _resolve(review: Review, event: StoredEvent) -> None:
    """Close every open dispute with the decision."""
    payload = decode_payload_as(event, ReviewResolved)
    if payload is None:
        return
    review.status = payload.outcome
    review.score = review.score if payload.score is None else payload.score
    review.ratings = review.ratings if payload.ratings is None else payload.ratings
    if payload.is_critical_failure is not None:
        review.is_critical_failure = payload.is_critical_failure
    decision: Mapping[str, Any] = {
        "outcome": payload.outcome,
        "resolved_by": event.participant_id,
        "resolved_at": from_micros(event.happened_at),
        "resolution": payload.reason,
    }
    review.disputes = [
        each if each.outcome is not None else msgspec.structs.replace(each, **decision)
        for each in review.disputes
    ]
