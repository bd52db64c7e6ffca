"""The rules of reviews: what a scorecard, a sample and a review must be. Pure."""

from collections.abc import Iterable, Mapping

from ingest.errors import EventRejectedError
from ingest.events.review_errors import (
    OwnReviewError,
    ReviewStateError,
    ScorecardMismatchError,
    UnknownReviewItemError,
)
from ingest.events.review_payloads import (
    Category,
    PinnedComment,
    ReviewItemReplaced,
    ReviewResolved,
    ReviewSampled,
    ReviewSubmitted,
    SampleItem,
    ScorecardPublished,
)
from ingest.events.review_score import Outcome, needs_cause, score_ratings
from ingest.events.review_state import Review, Sample, Scorecard

SCORE_TOLERANCE = 0.01
"""How far a submitted score may be from the computed one: clients round."""

POINT_TOLERANCE = 0.01
"""How far a rating may be from a point of its scale: 0.33 is a third."""


def check_scorecard(published: ScorecardPublished) -> None:
    """Raise EventRejectedError if two categories have one id."""
    ids = [each.id for each in published.categories]
    if (place := _repeated(ids)) is not None:
        raise EventRejectedError(
            "another category has this id", f"$.payload.categories[{place}].id"
        )


def check_sample(sampled: ReviewSampled) -> None:
    """Raise EventRejectedError if a conversation is drawn twice, or the population is too small."""
    ids = [each.conversation_id for each in sampled.items]
    if (place := _repeated(ids)) is not None:
        raise EventRejectedError("this conversation is drawn twice", f"$.payload.items[{place}]")
    if sampled.population < len(ids):
        raise EventRejectedError(
            "the population is smaller than the sample", "$.payload.population"
        )


def check_replacement(
    replaced: ReviewItemReplaced, sample: Sample, is_reviewed: bool
) -> SampleItem:
    """Return the item that is replaced. Raises EventRejectedError or a subclass if it cannot be."""
    item = require_item(sample, replaced.conversation_id, "$.payload.conversation_id")
    if is_reviewed:
        raise ReviewStateError("the conversation is reviewed already", "$.payload.conversation_id")
    known = {each.conversation_id for each in sample.items}
    known |= {each.conversation_id for each in sample.replaced}
    if replaced.replacement in known:
        raise EventRejectedError(
            "the sample has, or had, this conversation", "$.payload.replacement"
        )
    return item


def require_item(sample: Sample, conversation_id: str | None, field: str) -> SampleItem:
    """Return the item of a conversation. Raises UnknownReviewItemError."""
    found = sample.find_item(conversation_id)
    if found is None:
        raise UnknownReviewItemError("the sample does not have this conversation", field)
    return found


def check_same_scorecard(submitted: ReviewSubmitted, sample: Sample) -> None:
    """Raise ScorecardMismatchError unless the review has the scorecard of its sample."""
    if (submitted.scorecard, submitted.scorecard_version) != (
        sample.scorecard,
        sample.scorecard_version,
    ):
        raise ScorecardMismatchError(
            "the sample is reviewed with another scorecard, or another version of it; `GET /v1/review-samples`"
            " says which",
            "$.payload.scorecard_version",
        )


def check_comments(comments: Iterable[PinnedComment]) -> None:
    """Raise EventRejectedError if a comment is on a range of characters that ends before it starts."""
    for place, each in enumerate(comments):
        if (each.start is None) != (each.end is None):
            raise EventRejectedError(
                "start and end go together", f"$.payload.comments[{place}].end"
            )
        if each.start is not None and each.end is not None and each.end <= each.start:
            raise EventRejectedError("end is after start", f"$.payload.comments[{place}].end")


def score_submission(submitted: ReviewSubmitted, scorecard: Scorecard | None) -> Outcome:
    """Return the score of a review: that of its scorecard if it is published, else the submitted one.

    Raises EventRejectedError.
    """
    if scorecard is None:
        if submitted.score is None:
            raise EventRejectedError(
                "score is missing: this scorecard is not published, so it cannot be computed",
                "$.payload.score",
            )
        return Outcome(submitted.score, submitted.is_critical_failure)
    _check_causes(scorecard.categories, submitted.causes)
    outcome = _score(scorecard.categories, submitted.ratings, submitted.score)
    _require_causes(scorecard.categories, submitted)
    return outcome


def score_resolution(
    resolved: ReviewResolved, review: Review, scorecard: Scorecard | None
) -> Outcome | None:
    """Return the new score of a changed review; None if its scorecard is not published, or it did not change.

    Raises EventRejectedError.
    """
    if resolved.outcome == "upheld":
        if resolved.score is not None or resolved.ratings is not None:
            raise EventRejectedError("an upheld review keeps its ratings", "$.payload.outcome")
        return None
    if scorecard is None:
        return None
    if resolved.ratings is None:
        raise EventRejectedError(
            "ratings are missing: the score of a changed review follows from them",
            "$.payload.ratings",
        )
    return _score(scorecard.categories, resolved.ratings, resolved.score)


def check_resolution(resolved_by: str | None, review: Review) -> None:
    """Raise EventRejectedError or a subclass unless this person may settle the dispute of the review."""
    if resolved_by is None:
        raise EventRejectedError("participant_id is missing: who decides", "$.participant_id")
    if resolved_by == review.reviewer:
        raise OwnReviewError("another person settles the dispute of a review", "$.participant_id")
    if review.status != "disputed":
        raise ReviewStateError("no dispute of this review is open", "$.payload.review_id")


def _score(
    categories: Iterable[Category], ratings: Mapping[str, float | None], given: float | None
) -> Outcome:
    by_id = {each.id: each for each in categories}
    _check_ratings(by_id, ratings)
    outcome = score_ratings(list(by_id.values()), ratings)
    if outcome is None:
        raise EventRejectedError("no category that has a weight is rated", "$.payload.ratings")
    if given is not None and abs(given - outcome.score) > SCORE_TOLERANCE:
        raise EventRejectedError(
            f"these ratings give a score of {outcome.score:.2f}; leave it out, and it is computed",
            "$.payload.score",
        )
    return outcome


def _check_ratings(by_id: Mapping[str, Category], ratings: Mapping[str, float | None]) -> None:
    if not by_id.keys() >= ratings.keys():
        raise EventRejectedError(
            "the scorecard does not have all of these categories", "$.payload.ratings"
        )
    for name, category in by_id.items():
        field = f"$.payload.ratings.{name}"
        if name not in ratings:
            raise EventRejectedError(
                "a rating is missing; null says that the category does not apply", field
            )
        rating = ratings[name]
        if rating is None:
            if not category.allows_not_applicable:
                raise EventRejectedError("this category always applies", field)
            continue
        points = rating * (category.scale - 1)
        if abs(points - round(points)) > POINT_TOLERANCE * (category.scale - 1):
            raise EventRejectedError(f"not one of the {category.scale} points of its scale", field)


def _check_causes(categories: Iterable[Category], causes: Mapping[str, list[str]]) -> None:
    allowed = {each.id: each.causes for each in categories}
    for name, given in causes.items():
        if name not in allowed:
            raise EventRejectedError(
                "the scorecard does not have all of these categories", "$.payload.causes"
            )
        if allowed[name] and not set(given) <= set(allowed[name]):
            raise EventRejectedError(
                "not one of the causes of this category", f"$.payload.causes.{name}"
            )


def _require_causes(categories: Iterable[Category], submitted: ReviewSubmitted) -> None:
    for each in categories:
        if needs_cause(each, submitted.ratings[each.id]) and not submitted.causes.get(each.id):
            raise EventRejectedError(
                "a negative rating of this category needs one of its causes",
                f"$.payload.causes.{each.id}",
            )


def _repeated(values: list[str]) -> int | None:
    """Return the place of the first value that an earlier one equals."""
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value in seen:
            return place
        seen.add(value)
    return None
