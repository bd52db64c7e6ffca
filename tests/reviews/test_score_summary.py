"""Which reviews a score counts, and with which weight."""

import pytest

from dashboards.reviews.score_summary import summarize
from tests.reviews.records import make_review, make_sample


def test_random_and_targeted_samples_are_never_mixed_and_calibration_is_left_out() -> None:
    samples = [
        make_sample("random"),
        make_sample("strata", sampling="stratified"),
        make_sample("low", sampling="targeted"),
        make_sample("training", is_calibration=True),
    ]
    reviews = [
        make_review(f"c{number}", score=score, assignment_id=sample)
        for sample, scores in (("random", (80, 90)), ("strata", (70,)), ("low", (10, 20)), ("training", (5,)))
        for number, score in enumerate(scores)
    ]  # fmt: skip
    random, targeted = summarize(samples, reviews)
    assert [(each.sample.sample_id, each.mean.n, each.mean.value) for each in random] == [
        ("random", 2, 85),
        ("strata", 1, 70),
    ]
    assert [(each.sample.sample_id, each.mean.n, each.mean.value) for each in targeted] == [
        ("low", 2, 15)
    ]
    assert random[0].mean.low is not None
    assert targeted[0].mean.low is None  # not drawn by chance, so no interval


def test_two_reviews_of_a_conversation_are_one_value_when_both_are_there() -> None:
    reviews = [
        make_review("c1", "noor", 60.0),
        make_review("c1", "sam", 80.0),
        make_review("c2", "noor", 0.0),
    ]
    [found], _ = summarize([make_sample(reviews=2)], reviews)
    assert (found.mean.n, found.mean.value) == (1, 70)


def test_a_conversation_with_less_chance_to_be_drawn_weighs_more() -> None:
    reviews = [
        make_review("c1", score=100.0, inclusion_probability=0.1),
        make_review("c2", score=0.0, inclusion_probability=0.3),
    ]
    [found], _ = summarize([make_sample(sampling="stratified")], reviews)
    assert found.mean.value == pytest.approx(75)


def test_critical_failures_are_counted_by_conversation() -> None:
    reviews = [make_review("c1", is_critical_failure=True), make_review("c2"), make_review("c3")]
    [found], _ = summarize([make_sample()], reviews)
    assert found.critical.n == 3
    assert found.critical.value == pytest.approx(1 / 3)


def test_a_sample_without_reviews_has_no_score() -> None:
    assert summarize([make_sample()], []) == ([], [])
