"""`make bench-compare` serves another revision in turns with this tree, and leaves nothing behind."""

import subprocess
import sys

import pytest

from benchmarks.compare import Comparison, in_turns
from benchmarks.paired import Side, Size
from tests.served_dashboard import ROOT


def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def compare(revision: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.compare", revision, "--quick"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_figure_is_the_ratio_of_the_ratios_of_each_round() -> None:
    found = Comparison("message", [(20.0, 10.0, 40.0), (30.0, 10.0, 20.0), (8.0, 8.0, 8.0)])
    assert (found.ours, found.theirs) == (1.0, 0.5)
    assert found.ratios == [2.0, 3.0, 1.0]


def test_each_side_begins_a_round_and_the_first_round_is_dropped() -> None:
    measured: list[tuple[int, str]] = []

    def side(name: str, rate: float) -> Side:
        def measure(number: int) -> float:
            measured.append((number, name))
            return rate + number

        return measure

    rounds = in_turns(Size(2, quick=False), (side("a", 10), side("b", 20), side("c", 30)))
    assert rounds == [(11, 21, 31), (12, 22, 32)]
    assert [name for _, name in measured] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_revision_is_served_from_its_own_tree_which_is_removed() -> None:
    if git("rev-parse", "HEAD").returncode:
        pytest.skip("this is no clone of the repository")
    trees = git("worktree", "list").stdout
    done = compare("HEAD")
    assert done.returncode == 0, done.stderr
    for name in ("message, 1 connections", "message, 64 connections", "batches of 1,000 events"):
        assert name in done.stdout
    assert git("worktree", "list").stdout == trees


@pytest.mark.long
def test_a_revision_that_git_does_not_know_is_an_error_that_names_it() -> None:
    done = compare("no-such-revision")
    assert done.returncode == 2
    assert "no-such-revision" in done.stderr
