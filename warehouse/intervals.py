"""Intervals of shares and of the difference between two shares, by closed formulas.

Cases are taken as independent draws: an interval shows chance, not cause, and not a change of what customers ask.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """An estimate with its lower and upper limit."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside: a difference that chance alone explains badly."""
        return self.low > 0 or self.high < 0


def wilson(hits: int, cases: int, confidence: float = 0.95) -> Interval | None:
    """Return Wilson's score interval of `hits` of `cases`; None without cases.

    It stays within 0 and 1, also at 0 of n and n of n, where the usual ± formula has no width.
    """
    if cases == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / cases
    scale = 1 + z * z / cases
    middle = (share + z * z / (2 * cases)) / scale
    half = z * sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases)) / scale
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == cases else middle + half
    return Interval(share, low, high)


def difference(
    first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95
) -> Interval | None:
    """Return the interval of the first share minus the second one; None if one has no cases.

    Each is (hits, cases). Newcombe's hybrid score interval (1998, method 10), from the two Wilson intervals.
    """
    a, b = wilson(*first, confidence), wilson(*second, confidence)
    if a is None or b is None:
        return None
    estimate = a.estimate - b.estimate
    low = estimate - sqrt((a.estimate - a.low) ** 2 + (b.high - b.estimate) ** 2)
    high = estimate + sqrt((a.high - a.estimate) ** 2 + (b.estimate - b.low) ** 2)
    return Interval(estimate, low, high)
