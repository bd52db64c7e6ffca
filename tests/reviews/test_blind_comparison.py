"""A blind reviewer sees no review by others, and first ratings are compared."""

from datetime import timedelta

from dashboards.reviews.blind import visible
from dashboards.reviews.comparisons import compare
from ingest.client import (
    Category,
)
from tests.reviews.records import AT, make_review, make_sample


def test_a_blind_reviewer_sees_no_review_by_others_of_an_open_conversation() -> None:
    sample = make_sample(reviews=2)
    by_noor = make_review("c1", "noor")
    assert visible([by_noor], [sample], "sam") == []
    assert visible([by_noor], [sample], "noor") == [by_noor]
    by_sam = make_review("c1", "sam")
    elsewhere = make_review("c2", "noor")
    both = [by_noor, by_sam, elsewhere]
    assert visible(both, [sample], "sam") == [by_noor, by_sam]
    assert visible(both, [sample], "lead") == [by_noor, by_sam]  # the conversation is complete


def test_a_review_of_one_each_and_one_outside_of_a_sample_are_open() -> None:
    single = make_review("c1", "noor")
    adhoc = make_review("c2", "noor", assignment_id=None)
    assert visible([single, adhoc], [make_sample()], "sam") == [single, adhoc]


def test_a_review_in_another_sample_opens_nothing() -> None:
    samples = [make_sample("s1", 2), make_sample("s2", 2)]
    first = make_review("c1", "noor", assignment_id="s1")
    own = make_review("c1", "sam", assignment_id="s2")
    assert visible([first, own], samples, "sam") == [own]


TONE = Category(id="tone", title="Tone", scale=3)


def test_first_ratings_are_compared_before_any_dispute() -> None:
    changed = make_review("c1", "noor", ratings={"tone": 0.0})
    changed.ratings = {"tone": 1.0}
    [found] = compare([TONE], [changed, make_review("c1", "sam")])
    assert found.agreement.raw == 0
    assert found.differences == {"c1": {"noor": 0.0, "sam": 1.0}}


def test_a_rating_against_not_applicable_is_a_difference_outside_of_the_coefficients() -> None:
    reviews = [make_review("c1", "noor", ratings={"tone": None}), make_review("c1", "sam")]
    [found] = compare([TONE], reviews)
    assert found.agreement.items == 0
    assert found.differences == {"c1": {"noor": None, "sam": 1.0}}


def test_conversations_with_one_reviewer_are_not_compared() -> None:
    again = make_review("c1", "noor", ratings={"tone": 0.0}, submitted_at=AT + timedelta(days=1))
    [found] = compare([TONE], [make_review("c1", "noor"), again, make_review("c2", "sam")])
    assert found.agreement.items == found.agreement.left_out == 0
    assert found.differences == {}
