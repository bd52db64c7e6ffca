"""Intervals of means and shares, held against scipy."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dashboards.reviews.intervals import Estimate, estimate_mean, estimate_share, t_quantile

WIDE = (-math.inf, math.inf)
SCORES = st.lists(st.floats(0, 100), min_size=2, max_size=40)


@given(st.integers(1, 2000), st.sampled_from([0.5, 0.8, 0.95, 0.975, 0.995]))
@settings(deadline=None)
def test_the_t_quantile_is_that_of_scipy(degrees: int, probability: float) -> None:
    expected = stats.t.ppf(probability, degrees)
    assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@given(SCORES)
@settings(deadline=None)
def test_the_interval_of_a_mean_is_that_of_scipy(scores: list[float]) -> None:
    found = estimate_mean(scores, bounds=WIDE)
    error = stats.sem(scores)
    assert found.value == pytest.approx(sum(scores) / len(scores), abs=1e-9)
    if error > 1e-9:
        low, high = stats.t.interval(0.95, len(scores) - 1, found.value, error)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


@given(SCORES, st.floats(0.001, 1))
@settings(deadline=None)
def test_equal_probabilities_change_nothing(scores: list[float], probability: float) -> None:
    weighted = estimate_mean(scores, [probability] * len(scores))
    plain = estimate_mean(scores)
    assert (weighted.value, weighted.low, weighted.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=1e-6
    )


def test_a_conversation_with_half_the_chance_counts_twice() -> None:
    assert estimate_mean([100.0, 40.0], [0.5, 1.0]).value == pytest.approx(80)


@given(SCORES)
@settings(deadline=None)
def test_an_interval_contains_its_mean_and_stays_on_the_scale(scores: list[float]) -> None:
    found = estimate_mean(scores)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 100


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    random = Random(11)  # noqa: S311 (a simulation, not a secret)
    hits = 0
    for _ in range(2000):
        found = estimate_mean([random.gauss(60, 15) for _ in range(8)], bounds=WIDE)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 60 <= found.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert estimate_mean([80.0]) == Estimate(1, 80.0)
    assert estimate_mean([]) == estimate_share(0, 0) == Estimate(0, None)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(deadline=None)
def test_the_interval_of_a_share_is_the_wilson_interval_of_scipy(case: tuple[int, int]) -> None:
    hits, n = case
    found = estimate_share(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
