"""Agreement of reviewers, held against scikit-learn and the package krippendorff."""

import math
import warnings
from typing import Any, Literal

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from dashboards.reviews.agreement import (
    cohen_kappa,
    differs,
    krippendorff_alpha,
    measure_agreement,
    raw_agreement,
    squared,
)

SCALE = [0.0, 0.25, 0.5, 0.75, 1.0]
RATINGS = st.sampled_from(SCALE)
PAIRS = st.lists(st.tuples(RATINGS, RATINGS), max_size=40)
TABLES = st.integers(2, 5).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | RATINGS, min_size=raters, max_size=raters), max_size=25
    )
)
"""Of each item a row: the rating of each reviewer, None where there is a gap."""


def kappa_of_scikit_learn(pairs: list[tuple[float, float]], weights: str | None) -> float | None:
    places = [(SCALE.index(one), SCALE.index(other)) for one, other in pairs]
    if not places:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where kappa is not defined
        found = cohen_kappa_score(*zip(*places, strict=True), weights=weights, labels=range(5))
    return None if math.isnan(found) else float(found)


def alpha_of_krippendorff(
    table: list[list[float | None]], level: Literal["interval", "nominal"]
) -> float | None:
    ratings = [[math.nan if each is None else each for each in row] for row in table]
    data = np.array(ratings, dtype=float).T
    values = {each for row in table if sum(e is not None for e in row) > 1 for each in row}
    if len(values - {None}) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))


def assert_same(found: float | None, expected: float | None) -> None:
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(PAIRS)
@settings(deadline=None)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    assert_same(cohen_kappa(pairs), kappa_of_scikit_learn(pairs, None))


@given(PAIRS)
@settings(deadline=None)
def test_the_weighted_kappa_is_that_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    assert_same(cohen_kappa(pairs, squared), kappa_of_scikit_learn(pairs, "quadratic"))


@given(TABLES)
@settings(deadline=None)
def test_alpha_is_that_of_krippendorff(table: list[list[float | None]]) -> None:
    items = [[each for each in row if each is not None] for row in table]
    assert_same(krippendorff_alpha(items), alpha_of_krippendorff(table, "interval"))
    assert_same(krippendorff_alpha(items, differs), alpha_of_krippendorff(table, "nominal"))


def test_alpha_of_the_published_example() -> None:
    """Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): 4 observers, 12 units, with gaps."""
    a = "1 2 3 3 2 1 4 1 2 . . ."
    b = "1 2 3 3 2 2 4 1 2 5 . 3"
    c = ". 3 3 3 2 3 4 2 2 5 1 ."
    d = "1 2 3 3 2 4 4 1 2 5 1 ."
    units = zip(a.split(), b.split(), c.split(), d.split(), strict=True)
    items = [[float(each) for each in unit if each != "."] for unit in units]
    assert krippendorff_alpha(items, differs) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(items) == pytest.approx(0.849, abs=5e-4)


def test_rare_negative_ratings_give_high_agreement_and_no_kappa() -> None:
    items = [{"mira": 1.0, "noor": 1.0}] * 18
    items += [{"mira": 1.0, "noor": 0.0}, {"mira": 0.0, "noor": 1.0}]
    found = measure_agreement(items)
    assert (found.items, found.reviewers) == (20, 2)
    assert found.raw == pytest.approx(0.90)
    assert found.kappa == pytest.approx(-0.05, abs=0.005)
    assert found.balance == {0.0: 2, 1.0: 38}


def test_full_agreement_is_one_and_full_disagreement_is_below_zero() -> None:
    assert cohen_kappa([(0, 0), (1, 1)]) == cohen_kappa([(0, 0), (1, 1)], squared) == 1
    assert krippendorff_alpha([[0, 0], [1, 1]]) == 1
    assert cohen_kappa([(0, 1), (1, 0)]) == -1


def test_a_near_miss_costs_the_weighted_kappa_less_than_a_far_one() -> None:
    near = cohen_kappa([(0.0, 0.0), (0.5, 0.75), (1.0, 1.0)], squared)
    far = cohen_kappa([(0.0, 0.0), (0.0, 0.75), (1.0, 1.0)], squared)
    assert near is not None
    assert far is not None
    assert near > far


@pytest.mark.parametrize("ratings", [[], [(1.0, 1.0)], [(0.5, 0.5)] * 30])
def test_without_variation_a_coefficient_is_none_and_never_nan(ratings: list[Any]) -> None:
    assert cohen_kappa(ratings) is cohen_kappa(ratings, squared) is None
    assert krippendorff_alpha(ratings) is None


def test_nothing_to_compare_has_no_agreement() -> None:
    found = measure_agreement([{"mira": 1.0}, {}])
    assert (found.items, found.left_out, found.raw, found.alpha) == (0, 2, None, None)
    assert found.balance == {}


def test_the_same_reviewers_in_another_order_are_the_same_pair() -> None:
    found = measure_agreement([{"mira": 0.0, "noor": 1.0}, {"noor": 1.0, "mira": 1.0}])
    assert found.kappa == cohen_kappa([(0.0, 1.0), (1.0, 1.0)])


def test_more_than_two_reviewers_have_an_alpha_and_no_kappa() -> None:
    items = [
        {"mira": 1.0, "noor": 1.0, "sam": 1.0},
        {"mira": 0.0, "noor": 0.0},
        {"sam": 0.5},
    ]
    found = measure_agreement(items)
    assert (found.items, found.reviewers, found.left_out) == (2, 3, 1)
    assert found.kappa is found.weighted_kappa is None
    assert found.alpha == 1


def test_raw_agreement_counts_pairs() -> None:
    assert raw_agreement([[1, 1, 0], [1, 1]]) == pytest.approx(2 / 4)
    assert raw_agreement([[1]]) is None


@given(TABLES)
@settings(deadline=None)
def test_agreement_is_never_nan_or_above_one(table: list[list[float | None]]) -> None:
    items = [
        {f"r{place}": each for place, each in enumerate(row) if each is not None} for row in table
    ]
    found = measure_agreement(items)
    for value in (found.raw, found.kappa, found.weighted_kappa, found.alpha):
        assert value is None or value <= 1 + 1e-12
    assert found.items + found.left_out == len(items)
    assert sum(found.balance.values()) == sum(len(each) for each in items if len(each) > 1)
