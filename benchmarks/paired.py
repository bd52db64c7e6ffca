"""A figure: two sides measured in turns, and the ratio between them.

Absolute rates vary with the machine and its load. The promise is the median of the ratios, one ratio for
each round.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

Side = Callable[[int], float]
"""Measures one side in the round of this number and returns its rate (more is better)."""


@dataclass(frozen=True)
class Goal:
    """What a figure must reach, and what it is to reach one day; either may be missing."""

    must: float | None = None
    aim: float | None = None
    at_most: bool = False
    """Less is better: times and sizes."""

    def reached(self, found: float, wanted: float) -> bool:
        """Return whether `found` is as good as `wanted`."""
        return found <= wanted if self.at_most else found >= wanted


@dataclass(frozen=True)
class Figure:
    """Two measured variants, round by round: `unit` a second, or `scale`."""

    name: str
    unit: str
    reference: str
    pairs: list[tuple[float, float]]
    goal: Goal = Goal()
    notes: list[str] = field(default_factory=list)
    scale: str = "/s"

    @property
    def ratios(self) -> list[float]:
        """Our rate over the reference's, for each round."""
        return [ours / reference for ours, reference in self.pairs]

    @property
    def ratio(self) -> float:
        """The median ratio: the figure itself."""
        return median(self.ratios)

    @property
    def ours(self) -> float:
        """Our median rate."""
        return median(pair[0] for pair in self.pairs)

    @property
    def theirs(self) -> float:
        """The reference's median rate."""
        return median(pair[1] for pair in self.pairs)


@dataclass(frozen=True)
class Level:
    """One measured variant, round by round, in `unit`; less is better."""

    name: str
    unit: str
    values: list[float]
    goal: Goal = Goal(at_most=True)
    notes: list[str] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median: the level itself."""
        return median(self.values)


@dataclass(frozen=True)
class Size:
    """How much to measure."""

    rounds: int
    quick: bool

    def pick(self, whole: float, quick: float) -> float:
        """Return the amount of work for this run."""
        return quick if self.quick else whole

    def count(self, whole: int, quick: int) -> int:
        """Return the number of things for this run."""
        return quick if self.quick else whole


def alternate(size: Size, ours: Side, reference: Side) -> list[tuple[float, float]]:
    """Measure both sides in each round and return the pairs (ours, reference).

    The side that goes first changes from round to round, so that neither always meets the
    warmer machine. Round 0 warms both up and is dropped, but in a quick run it is the only one.
    """
    pairs: list[tuple[float, float]] = []
    for number in range(size.rounds + (0 if size.quick else 1)):
        if number % 2 == 0:
            mine = ours(number)
            pairs.append((mine, reference(number)))
        else:
            theirs = reference(number)
            pairs.append((ours(number), theirs))
    return pairs if size.quick else pairs[1:]
