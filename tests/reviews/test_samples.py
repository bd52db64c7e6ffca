"""Scorecards that never change, and samples that keep how they were drawn."""

from typing import Any

import pytest

from ingest.auth.api_keys import Grant, create_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock
from tests.reviews.team import RATINGS, Team, problem


def test_a_published_scorecard_never_changes(team: Team) -> None:
    changed = [{"id": "tone", "title": "Another"}]
    assert problem(team.publish(categories=changed))[:2] == (409, "scorecard_exists")
    assert team.publish(version=2, categories=changed).status_code == 201
    first, second = team.get("scorecards")["items"]
    assert [each["id"] for each in first["categories"]] == [
        "accuracy",
        "tone",
        "privacy",
        "process",
    ]
    assert (second["version"], second["published_by"]) == (2, "lead")
    assert second["categories"] == [{"id": "tone", "title": "Another"}]


@pytest.mark.parametrize(
    ("category", "field"),
    [
        ({"scale": 1}, "scorecard.categories[0].scale"),
        ({"scale": True}, "scorecard.categories[0].scale"),
        ({"weight": -1}, "scorecard.categories[0].weight"),
        ({"weight": True}, "scorecard.categories[0].weight"),
        ({"criticality": "very"}, "scorecard.categories[0].criticality"),
        ({"id": "Not a name"}, "scorecard.categories[0].id"),
    ],
)
def test_a_wrong_category_is_answered_with_its_field(
    team: Team, category: dict[str, Any], field: str
) -> None:
    answer = team.publish(version=2, categories=[{"id": "tone", "title": "Tone"} | category])
    assert (answer.status_code, answer.json()["field"]) == (422, f"$.{field}")


def test_two_categories_do_not_share_an_id(team: Team) -> None:
    answer = team.publish(version=2, categories=[{"id": "tone", "title": "Tone"}] * 2)
    assert problem(answer) == (422, "event_rejected", "$.payload.categories[1].id")


def test_a_sample_keeps_how_it_was_drawn(team: Team) -> None:
    filters = {"channel": ["web"], "rating": {"below": 3}}
    assert team.draw(["c2", "c1"], filters=filters, due_on="2030-01-31").status_code == 201
    sample = team.sample()
    assert (sample["seed"], sample["population"], sample["filters"]) == (7, 100, filters)
    assert (sample["drawn_by"], sample["due_on"], sample["item_count"]) == (
        "lead",
        "2030-01-31",
        2,
    )
    items = team.get("review-samples/s1/items")["items"]
    assert [each["conversation_id"] for each in items] == ["c2", "c1"]
    assert {each["inclusion_probability"] for each in items} == {0.1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sample_id": "s1"}, (409, "sample_exists", "$.payload.sample_id")),
        ({"scorecard_version": 9}, (404, "unknown_scorecard", "$.payload.scorecard_version")),
        ({"population": 1}, (422, "event_rejected", "$.payload.population")),
        ({"sampling": "adhoc"}, (422, "invalid_request", "$.sample.sampling")),
        ({"seed": True}, (422, "invalid_request", "$.sample.seed")),
        ({"reviews_per_conversation": 0}, (422, "invalid_request", "$.sample.reviews_per_conversation")),
        ({"due_on": "soon"}, (422, "invalid_request", "$.sample.due_on")),
        ({"items": []}, (422, "invalid_request", "$.sample.items")),
    ],
)  # fmt: skip
def test_a_wrong_sample_is_answered_with_its_field(
    team: Team, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert team.draw(["c1"]).status_code == 201
    assert problem(team.draw(["c1", "c2"], **{"sample_id": "s2"} | changes)) == expected


@pytest.mark.parametrize("probability", [0, 1.5, True, None])
def test_an_inclusion_probability_is_above_0_and_at_most_1(team: Team, probability: Any) -> None:
    items = [{"conversation_id": "c1", "inclusion_probability": probability}]
    answer = team.draw([], items=items)
    assert problem(answer)[:2] == (422, "invalid_request")


def test_a_sample_draws_each_existing_conversation_once(team: Team) -> None:
    twice = problem(team.draw(["c1", "c2", "c1"]))
    assert twice == (422, "event_rejected", "$.payload.items[2]")
    missing = problem(team.draw(["c1", "nowhere"]))
    assert missing == (404, "unknown_conversation", "$.payload.items[1].conversation_id")
    assert team.get("review-samples")["items"] == []


def test_a_key_of_one_channel_reads_no_samples(
    team: Team, settings: Settings, clock: Clock
) -> None:
    engine = open_engine(settings.database_url)
    mail = create_key(engine, "mail", clock(), Grant(frozenset({"review"}), frozenset({"email"})))
    full = create_key(engine, "qa", clock(), Grant(frozenset({"review"})))
    engine.dispose()
    for key, status in ((mail, 403), (full, 200)):
        headers = {"authorization": f"Bearer {key}"}
        answer = team.api.get("/v1/reviews", headers=headers)
        assert answer.status_code == status
        body = {"participant_id": "x", "review": {"scorecard": "service", "scorecard_version": 1,
                                                  "ratings": RATINGS}}  # fmt: skip
        answer = team.api.post("/v1/conversations/c1/reviews", json=body, headers=headers)
        assert answer.status_code == (404 if status == 403 else 201)
