"""The comparison of what was expected with what was found, difference by difference. Pure."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from convolake.simulation.expected import Rows
from convolake.simulation.moments import Moment


class Difference(Struct, frozen=True):
    """A fact that differs; `expected` or `found` is None if the whole fact is not there."""

    what: str
    expected: object
    found: object


class Result(Struct, frozen=True):
    """The number of compared facts, every difference, and what they were compared with."""

    facts: int
    differences: tuple[Difference, ...]
    source: str = "the warehouse"


def compare_all(
    expected: Rows, found: Rows, before: Iterable[Difference] = (), source: str = "the warehouse"
) -> Result:
    """Compare every fact. `before`: differences that were found while it was played."""
    facts = sum(len(row) for row in expected.values())
    return Result(facts, (*before, *compare(expected, found)), source)


def compare(expected: Rows, found: Rows) -> Iterator[Difference]:
    """Yield what is missing, what differs, and what was not expected."""
    for name, row in expected.items():
        if name not in found:
            yield Difference(name, row, None)
            continue
        for field in (*row, *(found[name].keys() - row.keys())):
            pair = row.get(field), found[name].get(field)
            if not _fits(*pair):
                yield Difference(f"{name}: {field}", *pair)
    for name in found.keys() - expected.keys():
        yield Difference(name, None, found[name])


def _fits(expected: object, found: object) -> bool:
    return expected.includes(found) if isinstance(expected, Moment) else expected == found
