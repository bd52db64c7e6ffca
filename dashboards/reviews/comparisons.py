"""Reviews of the same conversations compared: agreement by category, and where the reviewers differ.

First ratings are compared, as they were submitted: a decision on a dispute is not an independent rating.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboards.reviews.agreement import Agreement, measure_agreement
from ingest.client import Category, Review

Ratings = dict[str, float | None]
"""The rating of each reviewer; None: the category does not apply."""


@dataclass(frozen=True)
class Comparison:
    """One category: its agreement, and the conversations with different ratings.

    `agreement` is over ratings only. A category that applies for one reviewer and not for another is a difference too.
    """

    category: Category
    agreement: Agreement
    differences: dict[str, Ratings]


def compare(categories: Sequence[Category], reviews: Iterable[Review]) -> list[Comparison]:
    """Return a comparison for each category. `reviews`: all of one scorecard version."""
    items = _items(reviews)
    return [_compare(each, items) for each in categories]


def _items(reviews: Iterable[Review]) -> dict[str, dict[str, Review]]:
    """Return the reviews of each conversation by reviewer: the first of each, for those with several reviewers."""
    items: dict[str, dict[str, Review]] = defaultdict(dict)
    for each in sorted(reviews, key=lambda review: review.submitted_at):
        items[each.conversation_id].setdefault(each.reviewer or "", each)
    return {name: by_reviewer for name, by_reviewer in items.items() if len(by_reviewer) > 1}


def _compare(category: Category, items: dict[str, dict[str, Review]]) -> Comparison:
    rated: dict[str, Ratings] = {
        conversation_id: {
            name: review.first_ratings[category.id]
            for name, review in by_reviewer.items()
            if category.id in review.first_ratings
        }
        for conversation_id, by_reviewer in items.items()
    }
    numbers = [
        {name: rating for name, rating in each.items() if rating is not None}
        for each in rated.values()
    ]
    return Comparison(
        category,
        measure_agreement(numbers),
        {name: each for name, each in rated.items() if len(set(each.values())) > 1},
    )
