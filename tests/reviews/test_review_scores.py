"""The score of a review follows its scorecard: computed by the server, checked against a recomputation by hand."""

import random
from fractions import Fraction
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.events.review_payloads import Category
from ingest.events.review_score import score_ratings
from tests.reviews.team import RATINGS, Team, problem


@pytest.fixture
def team(api: TestClient) -> Team:
    """A team with the conversation c1."""
    team = Team(api)
    team.open(1)
    return team


def category(name: str, **changes: Any) -> Category:
    return Category(id=name, title=name, **changes)


@pytest.mark.parametrize(
    ("categories", "ratings", "expected"),
    [
        ({"a": {}, "b": {}}, {"a": 1, "b": 0}, (50, False)),
        ({"a": {"weight": 3}, "b": {}}, {"a": 1, "b": 0}, (75, False)),
        ({"a": {"weight": 3}, "b": {}}, {"a": None, "b": 0.5}, (50, False)),
        ({"a": {}, "b": {"weight": 0}}, {"a": 1, "b": 0}, (100, False)),
        ({"a": {"criticality": "review"}, "b": {"weight": 9}}, {"a": 0, "b": 1}, (0, True)),
        ({"a": {"criticality": "review"}, "b": {}}, {"a": 0.5, "b": 1}, (75, False)),
        ({"a": {"criticality": "review"}, "b": {}}, {"a": None, "b": 1}, (100, False)),
        (
            {"a": {"group": "g", "criticality": "group"}, "b": {"group": "g"}, "c": {"weight": 2}},
            {"a": 0, "b": 1, "c": 1},
            (50, True),
        ),
        ({"a": {}, "b": {}}, {"a": None, "b": None}, None),
        ({"a": {"weight": 0}}, {"a": 1}, None),
    ],
)
def test_a_score_is_the_weighted_mean_of_what_applies(
    categories: dict[str, dict[str, Any]],
    ratings: dict[str, float | None],
    expected: tuple[float, bool] | None,
) -> None:
    card = [category(name, **changes) for name, changes in categories.items()]
    assert score_ratings(card, ratings) == expected


def test_random_scorecards_have_the_scores_of_exact_arithmetic() -> None:
    chosen = random.Random(random.randrange(10**9))  # noqa: S311
    for _ in range(500):
        card = [
            category(f"c{number}", weight=chosen.randint(0, 5), group=chosen.choice(["", "x", "y"]),
                     criticality=chosen.choice(["none", "none", "none", "group", "review"]))
            for number in range(chosen.randint(1, 8))
        ]  # fmt: skip
        ratings = {each.id: chosen.choice([None, 0, 0.25, 0.5, 1]) for each in card}
        outcome = score_ratings(card, ratings)
        expected = exact_score(card, ratings)
        if expected is None:
            assert outcome is None
        else:
            assert outcome is not None
            assert outcome.score == pytest.approx(float(expected), abs=1e-9)
            assert 0 <= outcome.score <= 100


def exact_score(card: list[Category], ratings: dict[str, float | None]) -> Fraction | None:
    """The rule once more, as the QA guide has it: category by category, in fractions."""
    failed = {each.id for each in card if ratings[each.id] == 0}
    lost_groups = [each.group for each in card if each.id in failed and each.criticality == "group"]
    earned, possible = Fraction(0), Fraction(0)
    for each in card:
        rating = ratings[each.id]
        if rating is None:
            continue
        possible += Fraction(each.weight)
        if each.group not in lost_groups:
            earned += Fraction(each.weight) * Fraction(rating)
    if possible == 0:
        return None
    if any(each.id in failed and each.criticality == "review" for each in card):
        return Fraction(0)
    return 100 * earned / possible


def test_the_server_computes_the_score(team: Team) -> None:
    ratings = RATINGS | {"accuracy": 0.5, "tone": 0}
    assert team.submit("noor", "c1", assignment_id=None, ratings=ratings).status_code == 201
    (review,) = team.reviews()
    assert (review["score"], review["is_critical_failure"]) == (50.0, False)


def test_a_critical_failure_makes_the_score_0(team: Team) -> None:
    ratings = RATINGS | {"privacy": 0}
    team.submit("noor", "c1", assignment_id=None, ratings=ratings)
    (review,) = team.reviews()
    assert (review["score"], review["is_critical_failure"]) == (0.0, True)


def test_another_score_than_that_of_the_ratings_is_rejected(team: Team) -> None:
    answer = team.submit("noor", "c1", assignment_id=None, score=90.0)
    assert problem(answer) == (422, "event_rejected", "$.payload.score")
    assert "100.00" in answer.json()["detail"]
    assert team.submit("noor", "c1", assignment_id=None, score=99.999).status_code == 201
    assert team.reviews()[0]["score"] == 100.0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ratings": RATINGS | {"speed": 1}}, "ratings"),
        ({"ratings": {"accuracy": 1, "tone": 1, "process": 1}}, "ratings.privacy"),
        ({"ratings": RATINGS | {"process": None}}, "ratings.process"),
        ({"ratings": RATINGS | {"accuracy": 0.4}}, "ratings.accuracy"),
        ({"ratings": RATINGS | {"tone": 0.5}}, "ratings.tone"),
        ({"causes": {"tone": ["rude"]}}, "causes.tone"),
        ({"causes": {"speed": ["slow"]}}, "causes"),
        ({"ratings": RATINGS | {"tone": 0}, "causes": {}}, "causes.tone"),
        ({"ratings": RATINGS | {"tone": 0}, "causes": {"tone": []}}, "causes.tone"),
        ({"comments": [{"message_id": "m", "text": "x", "start": 3, "end": 3}]}, "comments[0].end"),
        ({"comments": [{"message_id": "m", "text": "x", "start": 3}]}, "comments[0].end"),
    ],
)
def test_a_review_that_does_not_fit_the_scorecard_is_answered_with_its_field(
    team: Team, changes: dict[str, Any], field: str
) -> None:
    answer = team.submit("noor", "c1", assignment_id=None, **changes)
    assert problem(answer) == (422, "event_rejected", f"$.payload.{field}")
    assert team.reviews() == []


@pytest.mark.parametrize("rating", [True, "1", 1.01, -0.01, [1]])
def test_a_rating_is_a_number_from_0_to_1(team: Team, rating: Any) -> None:
    answer = team.submit("noor", "c1", assignment_id=None, ratings=RATINGS | {"tone": rating})
    assert problem(answer)[:2] == (422, "invalid_request")


def test_a_third_of_a_scale_may_be_rounded(team: Team) -> None:
    team.publish(version=2, categories=[{"id": "tone", "title": "Tone", "scale": 4}])
    given = {"assignment_id": None, "scorecard_version": 2}
    assert team.submit("noor", "c1", ratings={"tone": 0.33}, **given).status_code == 201
    assert team.submit("noor", "c1", ratings={"tone": 0.3}, **given).status_code == 422


def test_without_a_published_scorecard_the_submitted_score_counts(team: Team) -> None:
    given = {"scorecard": "sales", "assignment_id": None, "ratings": {"anything": 0.1}}
    assert problem(team.submit("noor", "c1", **given)) == (
        422,
        "event_rejected",
        "$.payload.score",
    )
    assert team.submit("noor", "c1", score=33.0, **given).status_code == 201
    assert team.reviews()[0]["score"] == 33.0


def test_a_review_keeps_its_comments_tags_and_corrected_answers(team: Team) -> None:
    given = {
        "comments": [{"message_id": "c1-m1", "text": "too short", "start": 0, "end": 7}],
        "corrected_answers": [{"message_id": "c1-m1", "text": "Your parcel arrives on Monday."}],
        "tags": ["coaching", "delivery"],
        "causes": {"tone": ["curt"]},
        "reviewee": "bot-7",
        "seconds_spent": 90,
    }
    assert team.submit("noor", "c1", assignment_id=None, **given).status_code == 201
    (review,) = team.reviews(conversation_id="c1")
    assert {name: review[name] for name in given} == given
