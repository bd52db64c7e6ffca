"""Draws for review: reproducible, in proportion, with the chance of each conversation."""

import math
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dashboards.reviews.sampling import (
    Drawn,
    TooManyStrataError,
    allocate,
    draw_random,
    draw_stratified,
    draw_targeted,
)

IDS = st.text(min_size=1, max_size=8)
SEEDS = st.integers(-(2**63), 2**63 - 1)
STRATA = st.dictionaries(IDS, st.sampled_from(["email", "sms", "web"]), min_size=1, max_size=60)
SIZES = st.integers(1, 70)


def ids(drawn: list[Drawn]) -> list[str]:
    return [each.conversation_id for each in drawn]


@given(st.lists(IDS, unique=True, min_size=1), st.randoms(), SIZES, SEEDS)
@settings(deadline=None)
def test_the_same_seed_and_population_give_the_same_sample_in_any_order(
    population: list[str], random: object, size: int, seed: int
) -> None:
    shuffled = population.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert draw_random(shuffled, size, seed) == draw_random(population, size, seed)


@given(STRATA, SIZES, SEEDS)
@settings(deadline=None)
def test_a_stratified_sample_does_not_depend_on_the_order(
    strata: dict[str, str], size: int, seed: int
) -> None:
    assume(size >= len(set(strata.values())))
    backwards = dict(reversed(strata.items()))
    assert draw_stratified(backwards, size, seed) == draw_stratified(strata, size, seed)


@given(st.sets(IDS), SIZES, SEEDS)
@settings(deadline=None)
def test_a_random_sample_has_its_size_and_its_probabilities_sum_to_it(
    population: set[str], size: int, seed: int
) -> None:
    drawn = draw_random(population, size, seed)
    assert len(set(ids(drawn))) == len(drawn) == min(size, len(population))
    assert set(ids(drawn)) <= population
    assert {each.inclusion_probability for each in drawn} <= {len(drawn) / len(population or {""})}
    # Over the population: the expected size of the sample.
    if drawn:
        assert math.isclose(len(population) * drawn[0].inclusion_probability, len(drawn))


@given(st.sets(IDS, min_size=2), st.integers(1, 30), SEEDS)
@settings(deadline=None)
def test_a_larger_sample_contains_the_smaller_one(
    population: set[str], size: int, seed: int
) -> None:
    larger = draw_random(population, size + 1, seed)
    assert ids(larger)[:size] == ids(draw_random(population, size, seed))


def test_each_conversation_is_drawn_about_equally_often() -> None:
    population = [f"c{number}" for number in range(20)]
    drawn = Counter(each for seed in range(2000) for each in ids(draw_random(population, 5, seed)))
    # 500 expected, with a standard deviation of 19: five of them.
    assert all(abs(drawn[each] - 500) < 97 for each in population), drawn


def test_every_pair_of_conversations_can_be_drawn() -> None:
    population = "abcdef"
    pairs = {frozenset(ids(draw_random(population, 2, seed))) for seed in range(500)}
    assert len(pairs) == 15


def test_the_sample_of_a_seed_never_changes() -> None:
    """Recorded samples can be drawn again only if the numbers stay as they are."""
    population = [f"c{number}" for number in range(10)]
    assert ids(draw_random(population, 4, 7)) == ["c1", "c5", "c3", "c9"]


def test_another_seed_gives_another_sample() -> None:
    population = [f"c{number}" for number in range(1000)]
    overlap = set(ids(draw_random(population, 100, 1))) & set(ids(draw_random(population, 100, 2)))
    assert len(overlap) < 30


@given(STRATA, SIZES, SEEDS)
@settings(deadline=None)
def test_strata_are_proportional_with_at_least_one_each(
    strata: dict[str, str], size: int, seed: int
) -> None:
    sizes = Counter(strata.values())
    assume(size >= len(sizes))
    drawn = draw_stratified(strata, size, seed)
    wished = min(size, len(strata))
    given = Counter(each.stratum for each in drawn)
    assert given.total() == wished
    assert set(given) == set(sizes)
    for name, members in sizes.items():
        quota = wished * members / len(strata)
        assert 1 <= given[name] <= members
        assert given[name] < quota + 1
        # A stratum lacks more than one only where the minimum of another took its place.
        small = sum(wished * other / len(strata) < 1 for other in sizes.values())
        assert given[name] > quota - 1 - small


@given(STRATA, SIZES, SEEDS)
@settings(deadline=None)
def test_the_probabilities_of_all_strata_sum_to_the_size_of_the_sample(
    strata: dict[str, str], size: int, seed: int
) -> None:
    sizes = Counter(strata.values())
    assume(size >= len(sizes))
    drawn = draw_stratified(strata, size, seed)
    chance = {each.stratum: each.inclusion_probability for each in drawn}
    expected = math.fsum(chance[name] * members for name, members in sizes.items())
    assert math.isclose(expected, len(drawn))
    assert all(0 < each.inclusion_probability <= 1 for each in drawn)
    assert all(strata[each.conversation_id] == each.stratum for each in drawn)


def test_one_large_and_two_small_strata() -> None:
    assert allocate({"web": 98, "sms": 1, "email": 1}, 20) == {"email": 1, "sms": 1, "web": 18}


def test_equal_strata_get_equal_parts() -> None:
    assert allocate({"a": 50, "b": 50, "c": 50}, 30) == {"a": 10, "b": 10, "c": 10}


def test_an_empty_stratum_gets_nothing() -> None:
    assert allocate({"a": 3, "b": 0}, 2) == {"a": 2}


def test_fewer_places_than_strata_are_an_error_that_names_the_smallest_size() -> None:
    with pytest.raises(TooManyStrataError, match="at least 3") as caught:
        draw_stratified({"c1": "web", "c2": "sms", "c3": "email"}, 2, 1)
    assert caught.value.strata == 3


def test_a_population_without_conversations_gives_an_empty_sample() -> None:
    assert draw_random([], 5, 1) == draw_stratified({}, 5, 1) == draw_targeted([], 5) == []


def test_a_targeted_sample_is_the_top_of_the_ranking_with_certainty() -> None:
    assert draw_targeted(["worst", "bad", "bad", "good"], 2) == [
        Drawn("worst", 1.0),
        Drawn("bad", 1.0),
    ]
