"""Means and shares with the interval that they are known to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from warehouse.intervals import wilson

CONFIDENCE = 0.95
"""Share of intervals that contain the true value, over many samples."""

PRECISION = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; `low` and `high` are None if `n` is too small for one."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None


def estimate_mean(
    values: Sequence[float],
    probabilities: Sequence[float] | None = None,
    *,
    bounds: tuple[float, float] = (0.0, 100.0),
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return the mean with a t interval, cut at `bounds`. No value: None; one value: no interval.

    `probabilities`: the chance of each value to be in the sample. A value with a small chance speaks for more of the
    population: its weight is 1 ÷ probability. Equal probabilities give the plain mean and the plain t interval. The
    interval ignores that the population is finite, so it is rather too wide than too narrow.
    """
    n = len(values)
    weights = [1 / each for each in probabilities] if probabilities is not None else [1.0] * n
    if not n:
        return Estimate(0, None)
    weighed = list(zip(weights, values, strict=True))
    mean = math.fsum(w * v for w, v in weighed) / math.fsum(weights)
    if n == 1:
        return Estimate(1, mean)
    squares = math.fsum((w * (v - mean)) ** 2 for w, v in weighed)
    error = math.sqrt(squares * n / (n - 1)) / math.fsum(weights)
    reach = t_quantile((1 + confidence) / 2, n - 1) * error
    return Estimate(n, mean, max(bounds[0], mean - reach), min(bounds[1], mean + reach))


def estimate_share(hits: int, n: int) -> Estimate:
    """Return the share hits ÷ n with its Wilson interval."""
    found = wilson(hits, n)
    return (
        Estimate(0, None) if found is None else Estimate(n, found.estimate, found.low, found.high)
    )


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution, for a probability from 0.5 on, below 1."""
    high = 1.0
    while _t_cumulative(high, degrees) < probability:
        high *= 2
    return _bisect(lambda t: _t_cumulative(t, degrees) < probability, 0.0, high)


def _bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    while high - low > PRECISION * (1 + high):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _t_cumulative(t: float, degrees: int) -> float:
    """Return P(T ≤ t). A whole number of degrees has a finite sum (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    is_odd = degrees % 2
    term = total = cosine if is_odd else 1.0
    for step in range(3 if is_odd else 2, degrees - 1, 2):
        term *= (step - 1) / step * cosine * cosine
        total += term
    if not is_odd:
        return 0.5 + sine * total / 2
    return 0.5 + (angle + (sine * total if degrees > 1 else 0.0)) / math.pi
