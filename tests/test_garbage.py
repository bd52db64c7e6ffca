"""Rare collections: only what is new is scanned, seldom, and all is as before in the end."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from ingest.garbage import THRESHOLDS, rare_collections
from tests.garbage import keep_what_is_loaded


class Node:
    """An object that can be in a cycle."""

    def __init__(self) -> None:
        self.other: Node | None = None


def cycle() -> "weakref.ref[Node]":
    first, second = Node(), Node()
    first.other, second.other = second, first
    return weakref.ref(first)


@pytest.fixture(autouse=True)
def keep_again() -> Iterator[None]:
    """The end of the block has unfrozen what the worker of the tests keeps too."""
    yield
    keep_what_is_loaded()


def test_what_exists_before_is_not_scanned_until_the_end() -> None:
    kept = gc.get_freeze_count()
    with rare_collections():
        assert gc.get_freeze_count() > kept
        assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() == 0


def test_new_cycles_are_still_collected() -> None:
    with rare_collections():
        lost = cycle()
        gc.collect()
        assert lost() is None


def test_an_error_restores_the_thresholds_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="broken"), rare_collections():
        raise ValueError("broken")
    assert gc.get_threshold() == before
