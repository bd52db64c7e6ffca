"""Draws conversations for review: reproducible, with the chance that each one had to be drawn.

Every conversation gets a number from the seed and its own id; the lowest numbers are drawn. So a draw depends on the
seed and the population only, never on the order of the population, and a larger draw contains the smaller one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b


class TooManyStrataError(ValueError):
    """The sample is smaller than the number of strata, so a stratum would get no conversation."""

    def __init__(self, strata: int) -> None:
        """`strata` is the smallest size that gives each stratum a conversation."""
        super().__init__(f"{strata} strata need a sample of at least {strata}")
        self.strata = strata


@dataclass(frozen=True)
class Drawn:
    """A drawn conversation. `inclusion_probability` is its chance to be in the sample, above 0, at most 1."""

    conversation_id: str
    inclusion_probability: float
    stratum: str | None = None


def draw_random(population: Iterable[str], size: int, seed: int) -> list[Drawn]:
    """Return `size` conversations, each with the same chance; all of them if there are fewer.

    In the order of the draw, which is a random order. An id that is given twice counts once.
    """
    return _draw(set(population), size, seed, None)


def draw_stratified(strata: Mapping[str, str], size: int, seed: int) -> list[Drawn]:
    """Return `size` conversations, spread over the strata in proportion to their sizes, at least one each.

    `strata`: the stratum of each conversation id. Raises TooManyStrataError if `size` is below the number of strata.
    In the order of the draw, over all strata: reviews of the first part are spread over the strata too.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for conversation_id, stratum in strata.items():
        members[stratum].add(conversation_id)
    sizes = allocate({name: len(ids) for name, ids in members.items()}, size)
    drawn = [each for name, ids in members.items() for each in _draw(ids, sizes[name], seed, name)]
    return sorted(drawn, key=lambda each: _number(seed, each.conversation_id))


def draw_targeted(ranked: Sequence[str], size: int) -> list[Drawn]:
    """Return the first `size` conversations of a ranking, such as the lowest ratings.

    They are chosen with certainty: the probability is 1, and their mean says nothing about the others.
    """
    return [Drawn(each, 1.0) for each in list(dict.fromkeys(ranked))[: max(0, size)]]


def allocate(sizes: Mapping[str, int], size: int) -> dict[str, int]:
    """Return how many to draw from each stratum; `sizes`: how many conversations it has.

    In proportion, at least one each, never more than there are. Raises TooManyStrataError.
    """
    occupied = {name: members for name, members in sorted(sizes.items()) if members > 0}
    population = sum(occupied.values())
    wished = min(size, population)
    if wished < len(occupied):
        raise TooManyStrataError(len(occupied))
    given = dict.fromkeys(occupied, 1)
    for _ in range(wished - len(occupied)):
        # The stratum that lacks most of its proportional share; whole numbers, so that no rounding decides.
        neediest = max(given, key=lambda name: wished * occupied[name] - population * given[name])
        given[neediest] += 1
    return given


def _draw(population: set[str], size: int, seed: int, stratum: str | None) -> list[Drawn]:
    chosen = sorted(population, key=lambda each: _number(seed, each))[: max(0, size)]
    return [Drawn(each, len(chosen) / len(population), stratum) for each in chosen]


def _number(seed: int, conversation_id: str) -> tuple[bytes, str]:
    key = seed.to_bytes(16, "big", signed=True)
    text = conversation_id.encode("utf-8", "surrogatepass")
    return blake2b(text, key=key, digest_size=16).digest(), conversation_id
