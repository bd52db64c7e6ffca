"""The score of a review by its scorecard, and which ratings need a cause: the one place with these rules."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

NEGATIVE = 0.5
"""A rating below it is negative."""


class Category(Protocol):
    """A category of a scorecard, as far as these rules depend on it: the log's or the client's."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def group(self) -> str: ...  # noqa: D102

    @property
    def weight(self) -> float: ...  # noqa: D102

    @property
    def criticality(self) -> str: ...  # noqa: D102

    @property
    def causes(self) -> Sequence[str]: ...  # noqa: D102


class Outcome(NamedTuple):
    """A score from 0 to 100, and whether a critical category failed."""

    score: float
    is_critical_failure: bool


def needs_cause(category: Category, rating: float | None) -> bool:
    """Return whether a rating needs a cause: it is negative, and the category lists causes."""
    return rating is not None and rating < NEGATIVE and bool(category.causes)


def score_ratings(
    categories: Sequence[Category], ratings: Mapping[str, float | None]
) -> Outcome | None:
    """Return 100 × Σ(weight × rating) ÷ Σ weight over the rated categories; None if no weight is rated.

    A category fails with a rating of 0. If it is critical for its group, every rating of the group counts 0;
    if it is critical for the review, the score is 0.
    """
    rated = [(each, rating) for each in categories if (rating := ratings.get(each.id)) is not None]
    total = sum(each.weight for each, _ in rated)
    if total == 0:
        return None
    failed = [each for each, rating in rated if rating == 0 and each.criticality != "none"]
    if any(each.criticality == "review" for each in failed):
        return Outcome(0.0, is_critical_failure=True)
    groups = {each.group for each in failed}
    earned = sum(each.weight * rating for each, rating in rated if each.group not in groups)
    return Outcome(min(100.0, 100 * earned / total), is_critical_failure=bool(failed))
