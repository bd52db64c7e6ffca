"""Scorecards, samples and reviews, as clients send and receive them. Unknown fields are ignored."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct


class Category(Struct, kw_only=True, omit_defaults=True):
    """A category of a scorecard, rated on `scale` points from 0 to 1.

    A rating of 0 fails the category. With the `criticality` group, every rating of its group then counts 0; with
    review, the whole score. `causes`: the allowed causes of a low rating; empty: any.
    """

    id: str
    title: str
    group: str = ""
    weight: float = 1.0
    scale: int = 2
    allows_not_applicable: bool = True
    criticality: str = "none"
    causes: list[str] = []


class Scorecard(Struct, kw_only=True, omit_defaults=True):
    """A version of a scorecard. The server gives `published_by` and `published_at`."""

    name: str
    version: int
    categories: list[Category]
    published_by: str | None = None
    published_at: datetime | None = None


class SampleItem(Struct, kw_only=True, omit_defaults=True):
    """A conversation to draw, and the chance that it had to be drawn: above 0, at most 1."""

    conversation_id: str
    inclusion_probability: float
    stratum: str | None = None


class Sample(Struct, kw_only=True, omit_defaults=True):
    """A sample to draw. `sampling` is random, stratified or targeted.

    `population` is the number of conversations that `filters` found. `reviews_per_conversation`: 2 or more for
    blind double review.
    """

    sample_id: str
    title: str
    scorecard: str
    scorecard_version: int
    sampling: str
    seed: int
    population: int
    items: list[SampleItem]
    filters: dict[str, Any] = {}
    reviews_per_conversation: int = 1
    is_calibration: bool = False
    due_on: date | None = None


class ReplacedItem(Struct, kw_only=True):
    """A conversation that left a sample, and why."""

    conversation_id: str
    reason: str
    replacement: str | None = None
    replaced_by: str | None = None
    replaced_at: datetime | None = None


class SampleProgress(Struct, kw_only=True):
    """A sample, and how far its review is. An item is done when it has all of its reviews."""

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
    item_count: int
    done_count: int
    locked_count: int
    review_count: int
    replaced: list[ReplacedItem] = []


class ItemLock(Struct, kw_only=True):
    """A reviewer who holds an item, until when."""

    reviewer: str
    locked_until: datetime


class ItemProgress(Struct, kw_only=True):
    """A conversation of a sample: who holds it, and who submitted a review, in order.

    `locked_by` and `locked_until` are those of the lock that ends last; `locks` has all.
    """

    conversation_id: str
    stratum: str | None
    inclusion_probability: float
    locked_by: str | None
    locked_until: datetime | None
    reviewers: list[str]
    locks: list[ItemLock] = []


class Claim(Struct, kw_only=True):
    """The conversation that a reviewer holds, until `locked_until`."""

    conversation_id: str
    locked_until: datetime


class ClaimResult(Struct, kw_only=True):
    """The claimed conversation; None if none is left for this reviewer."""

    claim: Claim | None


class PinnedComment(Struct, kw_only=True, omit_defaults=True):
    """A comment on a message, or on its characters from `start` up to, and without, `end`."""

    message_id: str
    text: str
    start: int | None = None
    end: int | None = None


class CorrectedAnswer(Struct, kw_only=True, omit_defaults=True):
    """What a message of the bot or the agent should have said."""

    message_id: str
    text: str


class NewReview(Struct, kw_only=True, omit_defaults=True):
    """A judgement to submit. `ratings`: 0 to 1 of each category; None if it does not apply.

    Leave `score` out if the scorecard is published: the server computes it, and rejects another one.
    `assignment_id` is the sample that the conversation was claimed from.
    """

    scorecard: str
    scorecard_version: int
    ratings: dict[str, float | None]
    score: float | None = None
    causes: dict[str, list[str]] = {}
    is_critical_failure: bool = False
    reviewee: str | None = None
    message_id: str | None = None
    comment: str | None = None
    comments: list[PinnedComment] = []
    corrected_answers: list[CorrectedAnswer] = []
    tags: list[str] = []
    assignment_id: str | None = None
    sampling: str = "adhoc"
    inclusion_probability: float | None = None
    is_calibration: bool = False
    seconds_spent: int | None = None


class Dispute(Struct, kw_only=True):
    """A dispute of a review; `outcome` is None while it is open."""

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
    """A review as it is after its disputes; `status` is submitted, disputed, upheld or changed.

    `first_score` and `first_ratings` are the submitted ones.
    """

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
    status: str
    disputes: list[Dispute]
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
