"""Disputes and acknowledgements: a review is never overwritten, and reviewers do not judge their own."""

from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from tests.reviews.team import RATINGS, Team, problem


@pytest.fixture
def team(api: TestClient) -> Team:
    """A team with a review of c1, by noor, that is the first of the sample s1."""
    team = Team(api)
    team.draw(team.open(2))
    team.review_next("noor", ratings=RATINGS | {"tone": 0})
    return team


def review_id(team: Team) -> str:
    return str(team.reviews()[0]["review_id"])


def dispute(team: Team, **changes: Any) -> httpx2.Response:
    given = {"review_id": review_id(team), "reason": "The tone was right."} | changes
    return team.post("conversations/c1/review-disputes", participant_id="mira", dispute=given)


def resolve(team: Team, by: str | None, **changes: Any) -> httpx2.Response:
    given = {"review_id": review_id(team), "outcome": "upheld"} | changes
    path = "conversations/c1/review-resolutions"
    return team.post(path, participant_id=by, resolution=given)


def test_a_dispute_is_settled_with_new_ratings_and_the_first_ones_are_kept(team: Team) -> None:
    assert team.reviews()[0]["score"] == 75.0
    dispute(team, category="tone", expected_rating=1.0)
    (review,) = team.reviews()
    assert (review["status"], review["disputes"][0]["outcome"]) == ("disputed", None)
    assert resolve(team, "lead", outcome="changed", ratings=RATINGS).status_code == 201
    (review,) = team.reviews()
    assert (review["status"], review["score"], review["first_score"]) == ("changed", 100.0, 75.0)
    assert (review["ratings"]["tone"], review["first_ratings"]["tone"]) == (1.0, 0.0)
    (settled,) = review["disputes"]
    assert (settled["disputed_by"], settled["resolved_by"]) == ("mira", "lead")
    assert (settled["category"], settled["expected_rating"]) == ("tone", 1.0)
    assert (settled["outcome"], settled["reason"]) == ("changed", "The tone was right.")


def test_a_reviewer_does_not_settle_the_dispute_of_their_own_review(team: Team) -> None:
    dispute(team)
    assert problem(resolve(team, "noor")) == (403, "own_review", "$.participant_id")
    assert problem(resolve(team, None)) == (422, "event_rejected", "$.participant_id")
    assert team.reviews()[0]["status"] == "disputed"
    assert resolve(team, "lead").status_code == 201
    assert team.reviews()[0]["status"] == "upheld"


def test_only_an_open_dispute_is_settled(team: Team) -> None:
    no_dispute = (409, "review_state", "$.payload.review_id")
    assert problem(resolve(team, "lead")) == no_dispute
    dispute(team)
    assert resolve(team, "lead").status_code == 201
    assert problem(resolve(team, "lead")) == no_dispute
    dispute(team)
    assert resolve(team, "lead").status_code == 201
    assert [each["outcome"] for each in team.reviews()[0]["disputes"]] == ["upheld", "upheld"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outcome": "changed"}, "ratings"),
        ({"outcome": "changed", "ratings": {"tone": 1}}, "ratings.accuracy"),
        ({"outcome": "changed", "ratings": RATINGS, "score": 12}, "score"),
        ({"outcome": "upheld", "ratings": RATINGS}, "outcome"),
    ],
)
def test_a_changed_review_follows_the_scorecard_too(
    team: Team, changes: dict[str, Any], field: str
) -> None:
    dispute(team)
    answer = resolve(team, "lead", **changes)
    assert problem(answer) == (422, "event_rejected", f"$.payload.{field}")


def test_the_first_acknowledgement_is_kept(team: Team) -> None:
    path = "conversations/c1/review-acknowledgements"
    given = {"review_id": review_id(team)}
    assert problem(team.post(path, acknowledgement=given))[2] == "$.participant_id"
    for who in ("mira", "jonas"):
        answer = team.post(path, participant_id=who, acknowledgement=given)
        assert answer.status_code == 201
    assert team.reviews()[0]["acknowledged_by"] == "mira"
    other = {"review_id": "nothing"}
    answer = team.post(path, participant_id="mira", acknowledgement=other)
    assert problem(answer) == (404, "unknown_review", "$.payload.review_id")


@pytest.mark.parametrize("wrong", [7, None, ["r"], "", True])
def test_a_review_id_of_another_type_is_an_error_and_no_crash(team: Team, wrong: Any) -> None:
    for path, name in (("disputes", "dispute"), ("acknowledgements", "acknowledgement")):
        answer = team.post(
            f"conversations/c1/review-{path}",
            participant_id="mira",
            **{name: {"review_id": wrong, "reason": "x"}},
        )
        assert answer.status_code == 422
    assert team.api.get("/readyz").json() == {"status": "ok"}
