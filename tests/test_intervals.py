"""Intervals of shares: equal to scipy's, and to the published example of the difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from warehouse.intervals import difference, wilson


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    cases = draw(st.integers(1, 5000))
    return draw(st.integers(0, cases)), cases


@given(counts(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_of_a_share_is_that_of_scipy(
    count: tuple[int, int], confidence: float
) -> None:
    found = wilson(*count, confidence)
    expected = binomtest(*count).proportion_ci(confidence, method="wilson")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(counts())
def test_the_limits_are_shares_around_the_estimate(count: tuple[int, int]) -> None:
    found = wilson(*count)
    assert found is not None
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.high > found.low


@given(counts(), st.integers(2, 50))
def test_more_cases_make_an_interval_narrower(count: tuple[int, int], times: int) -> None:
    few, many = wilson(*count), wilson(count[0] * times, count[1] * times)
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low


def test_without_cases_there_is_no_interval() -> None:
    assert wilson(0, 0) is None
    assert difference((0, 0), (1, 2)) is None
    assert difference((1, 2), (0, 0)) is None


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_that_of_newcombe_1998(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = difference(first, second)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(counts(), counts())
def test_a_difference_the_other_way_round_is_its_mirror(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    one, other = difference(first, second), difference(second, first)
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert -1 <= one.low <= one.estimate <= one.high <= 1
    assert one.excludes_zero == other.excludes_zero


@given(counts())
def test_a_share_does_not_differ_from_itself(count: tuple[int, int]) -> None:
    found = difference(count, count)
    assert found is not None
    assert found.estimate == 0
    assert not found.excludes_zero


def test_a_large_difference_is_told_from_chance_and_a_small_one_is_not() -> None:
    large, small = difference((80, 100), (40, 100)), difference((41, 100), (40, 100))
    assert large is not None
    assert small is not None
    assert large.excludes_zero
    assert not small.excludes_zero
