"""The comparison of what was expected with what was found, difference by difference. Pure."""

from collections.abc import Iterator

from msgspec import Struct

from convolake.simulation.expected import Rows
from convolake.simulation.moments import Moment


class Difference(Struct, frozen=True):
    """A fact that differs; `expected` or `found` is None if the whole fact is not there."""

    what: str
    expected: object
    found: object


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
