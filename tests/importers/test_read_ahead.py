"""Reading ahead: the same items in the same order, a bounded number of them, and the same errors."""

from collections.abc import Iterator
from threading import get_ident

import pytest

from ingest.importers.runner import read_ahead


def count(until: int, taken: list[int], broken_at: int | None = None) -> Iterator[int]:
    for number in range(until):
        if number == broken_at:
            raise OSError("the disk is gone")
        taken.append(number)
        yield number


@pytest.mark.parametrize("length", [0, 1, 4, 23])
def test_every_item_comes_once_and_in_order(length: int) -> None:
    assert list(read_ahead(count(length, []))) == list(range(length))


def test_at_most_two_items_are_in_memory() -> None:
    taken: list[int] = []
    for number in read_ahead(count(100, taken)):
        assert len(taken) <= number + 2


def test_an_error_comes_after_the_items_before_it() -> None:
    found = read_ahead(count(100, [], broken_at=25))
    assert [next(found) for _ in range(25)] == list(range(25))
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_a_caller_that_stops_early_leaves_the_rest_unread() -> None:
    taken: list[int] = []
    found = read_ahead(count(1_000, taken))
    assert next(found) == 0
    found.close()
    assert len(taken) <= 2


def test_the_items_are_read_by_one_other_thread() -> None:
    def threads() -> Iterator[int]:
        for _ in range(30):
            yield get_ident()

    seen = set(read_ahead(threads()))
    assert len(seen) == 1
    assert get_ident() not in seen
