"""Payload structs of reviews: scorecards, samples, reviews, and what follows them.

Rules that need more than one field, or a state, are in `review_rules`.
"""

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from ingest.events.payloads import Attempt, Count, Id, Label, Name, Payload, PersonalText

Share = Annotated[float, Meta(ge=0, le=1)]
Score = Annotated[float, Meta(ge=0, le=100)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Probability = Annotated[float, Meta(gt=0, le=1)]

Sampling = Literal["random", "stratified", "targeted", "adhoc"]

MAX_ITEMS = 1_000
"""Maximum number of conversations in a sample."""


class Category(Payload):
    """A category of a scorecard, rated on `scale` points from 0 to 1.

    A rating of 0 in a category with the criticality `group` makes every rating of its group count 0, and with
    `review` the whole score. `causes`: the allowed causes of a low rating; a rating
    below 0.5 needs one of them. Empty: any cause, or none.
    """

    id: Name
    title: Title
    group: Annotated[str, Meta(max_length=64)] = ""
    weight: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    scale: Annotated[int, Meta(ge=2, le=5)] = 2
    allows_not_applicable: bool = True
    criticality: Literal["none", "group", "review"] = "none"
    causes: Annotated[list[Label], Meta(max_length=32)] = field(default_factory=list)


class ScorecardPublished(Payload):
    """A version of a scorecard. It never changes; a change is another version."""

    name: Name
    version: Attempt
    categories: Annotated[list[Category], Meta(min_length=1, max_length=64)]


class SampleItem(Payload):
    """A conversation that was drawn. `inclusion_probability` is the chance that it had to be drawn."""

    conversation_id: Id
    inclusion_probability: Probability
    stratum: Label | None = None


class ReviewSampled(Payload):
    """A sample: the conversations that were drawn for review, in the order of review.

    `population`: the number of conversations from which it was drawn; `filters` defined them. `seed` repeats
    the draw. `reviews_per_conversation`: 2 or more for blind double review.
    """

    sample_id: Id
    title: Title
    scorecard: Name
    scorecard_version: Attempt
    sampling: Literal["random", "stratified", "targeted"]
    seed: Count
    population: Count
    items: Annotated[list[SampleItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    filters: dict[str, Any] = field(default_factory=dict)
    reviews_per_conversation: Annotated[int, Meta(ge=1, le=20)] = 1
    is_calibration: bool = False
    due_on: date | None = None


class ReviewItemReplaced(Payload):
    """A conversation that leaves a sample before its first review, and the one that takes its place, if any.

    The server adds the stratum and the inclusion probability, which the replacement takes over.
    """

    sample_id: Id
    conversation_id: Id
    reason: Annotated[PersonalText, Meta(min_length=1, max_length=2000)]
    replacement: Id | None = None
    stratum: Label | None = None
    inclusion_probability: Probability | None = None


class PinnedComment(Payload):
    """A comment on a message, or on its characters from `start` up to, and without, `end`."""

    message_id: Id
    text: PersonalText
    start: Count | None = None
    end: Count | None = None


class CorrectedAnswer(Payload):
    """What a message of the bot or the agent should have said."""

    message_id: Id
    text: PersonalText


class ReviewSubmitted(Payload):
    """A reviewer's judgement of a conversation, or of one message. `score` is 0 to 100.

    `ratings`: 0 to 1 of each category of the scorecard; null if it does not apply. If this version of the
    scorecard is published, the server computes `score` and `is_critical_failure`, and rejects another score.
    `assignment_id`: the sample that the reviewer claimed the conversation from. The server then sets `sampling`,
    `inclusion_probability` and `is_calibration` from the sample. Only random samples count for an average.
    """

    scorecard: Name
    scorecard_version: Attempt
    ratings: dict[Name, Share | None]
    score: Score | None = None
    causes: dict[Name, list[Label]] = field(default_factory=dict)
    is_critical_failure: bool = False
    reviewee: Id | None = None
    message_id: Id | None = None
    comment: PersonalText | None = None
    comments: Annotated[list[PinnedComment], Meta(max_length=200)] = field(default_factory=list)
    corrected_answers: Annotated[list[CorrectedAnswer], Meta(max_length=50)] = field(
        default_factory=list
    )
    tags: Annotated[list[Label], Meta(max_length=32)] = field(default_factory=list)
    assignment_id: Id | None = None
    sampling: Sampling = "adhoc"
    inclusion_probability: Share | None = None
    is_calibration: bool = False
    seconds_spent: Count | None = None


class ReviewDisputed(Payload):
    """Why a review is wrong; `category` and `expected_rating`: which rating, and what it should be."""

    review_id: Id
    reason: PersonalText
    category: Name | None = None
    expected_rating: Share | None = None


class ReviewResolved(Payload):
    """The end of a dispute. `score` and `ratings` are the new ones, if they were changed.

    With a published scorecard the server computes `score` and `is_critical_failure` from `ratings`.
    """

    review_id: Id
    outcome: Literal["upheld", "changed"]
    reason: PersonalText | None = None
    score: Score | None = None
    ratings: dict[Name, Share | None] | None = None
    is_critical_failure: bool | None = None


class ReviewAcknowledged(Payload):
    """The reviewed person has read the review."""

    review_id: Id
