"""How far reviewers agree about the same conversations: raw agreement, Cohen's kappa, Krippendorff's alpha.

Ratings are numbers from 0 to 1. A coefficient that is not defined, for example because every rating is the same, is None:
chance alone would then give full agreement, and there is nothing to correct.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

Pair = tuple[float, float]
Distance = Callable[[float, float], float]

MIN_RATINGS = 2
"""Ratings of an item from which on it says something about agreement."""


def differs(one: float, other: float) -> float:
    """Return the distance of ratings without an order: 0 if they are equal, otherwise 1."""
    return float(one != other)


def squared(one: float, other: float) -> float:
    """Return the distance of ratings on a scale: the square of their difference."""
    return (one - other) ** 2


@dataclass(frozen=True)
class Agreement:
    """The agreement on one category, over the items that at least two reviewers rated.

    `raw`: share of pairs of ratings of the same item that are equal. `kappa`, `weighted_kappa`: of exactly two
    reviewers who rated every item, otherwise None. `balance`: number of ratings of each value; rare values make the
    coefficients low and unsure. `left_out`: items with fewer than two ratings.
    """

    items: int
    reviewers: int
    raw: float | None
    kappa: float | None
    weighted_kappa: float | None
    alpha: float | None
    balance: dict[float, int]
    left_out: int


def measure_agreement(items: Sequence[Mapping[str, float]]) -> Agreement:
    """Return the agreement on one category. `items`: of each item, the rating by reviewer; no entry if not rated."""
    rated = [each for each in items if len(each) >= MIN_RATINGS]
    reviewers = sorted({name for each in rated for name in each})
    values = [list(each.values()) for each in rated]
    pairs = _pairs_of_two(rated, reviewers)
    return Agreement(
        items=len(rated),
        reviewers=len(reviewers),
        raw=raw_agreement(values),
        kappa=None if pairs is None else cohen_kappa(pairs),
        weighted_kappa=None if pairs is None else cohen_kappa(pairs, squared),
        alpha=krippendorff_alpha(values),
        balance=dict(sorted(Counter(rating for each in values for rating in each).items())),
        left_out=len(items) - len(rated),
    )


def raw_agreement(items: Sequence[Sequence[float]]) -> float | None:
    """Return the share of pairs of ratings of the same item that are equal; None without a pair."""
    pairs = [one == other for ratings in items for one, other in combinations(ratings, 2)]
    return sum(pairs) / len(pairs) if pairs else None


def cohen_kappa(pairs: Sequence[Pair], distance: Distance = differs) -> float | None:
    """Return Cohen's kappa of two reviewers; with `squared`, the quadratic-weighted kappa.

    Of each item a pair: the rating of the first reviewer and that of the second. None without an item, and if both
    always gave one and the same rating.
    """
    firsts, seconds = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    expected = sum(
        distance(one, other) * firsts[one] * seconds[other] for one in firsts for other in seconds
    )
    if not expected:
        return None
    observed = sum(distance(one, other) for one, other in pairs)
    return 1 - len(pairs) * observed / expected


def krippendorff_alpha(
    items: Sequence[Sequence[float]], distance: Distance = squared
) -> float | None:
    """Return Krippendorff's alpha; `squared` reads ratings as an interval scale, `differs` as names.

    Of each item its ratings, by any number of reviewers; items with fewer than two are left out. None without an
    item, and if all ratings are the same.
    """
    pairable = [each for each in items if len(each) >= MIN_RATINGS]
    counts = Counter(rating for each in pairable for rating in each)
    expected = sum(
        distance(one, other) * counts[one] * counts[other] for one in counts for other in counts
    )
    if not expected:
        return None
    observed = sum(
        sum(distance(one, other) for one, other in permutations(each, 2)) / (len(each) - 1)
        for each in pairable
    )
    return 1 - (counts.total() - 1) * observed / expected


def _pairs_of_two(
    items: Sequence[Mapping[str, float]], reviewers: Sequence[str]
) -> list[Pair] | None:
    """Return the ratings of the first and the second reviewer; None if there are more reviewers."""
    if len(reviewers) != MIN_RATINGS:
        return None
    first, second = reviewers
    return [(each[first], each[second]) for each in items]
