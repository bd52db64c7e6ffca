"""Samples: conversations drawn once, handed out one by one, and reviewed blind."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock, Ids, create_store
from tests.review_team import RATINGS, Team, problem


@pytest.fixture
def team(api: TestClient) -> Team:
    """A team with the conversations c1 to c4."""
    team = Team(api)
    team.open(4)
    return team


# --- scorecards and samples ------------------------------------------------------------------


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


# --- claims ----------------------------------------------------------------------------------


def test_each_reviewer_gets_the_next_free_conversation(team: Team) -> None:
    team.draw(["c1", "c2"])
    assert [team.claim(each) for each in ("noor", "omar", "pia")] == ["c1", "c2", None]
    items = team.get("review-samples/s1/items")["items"]
    assert [each["locked_by"] for each in items] == ["noor", "omar"]
    assert team.sample()["locked_count"] == 2


def test_a_repeated_claim_gives_the_same_conversation_and_prolongs_the_lock(
    team: Team, clock: Clock
) -> None:
    team.draw(["c1", "c2"])
    team.claim("noor")
    clock.forward(minutes=14)
    assert team.claim("noor") == "c1"
    clock.forward(minutes=14)
    assert team.claim("omar") == "c2"
    (lock,) = team.get("review-samples/s1/items")["items"][0]["locks"]
    assert lock == {"reviewer": "noor", "locked_until": "2030-01-01T10:29:00Z"}


def test_a_lock_ends_after_15_minutes(team: Team, clock: Clock) -> None:
    team.draw(["c1"])
    team.claim("noor")
    clock.forward(minutes=15, seconds=-1)
    assert team.claim("omar") is None
    clock.forward(seconds=1)
    assert team.sample()["locked_count"] == 0
    assert team.claim("omar") == "c1"
    assert problem(team.submit("noor", "c1")) == (409, "review_item_not_held", "$.participant_id")
    assert team.submit("omar", "c1").status_code == 201


def test_a_claim_after_the_time_out_gives_the_same_conversation_if_it_is_free(
    team: Team, clock: Clock
) -> None:
    team.draw(["c1", "c2", "c3"])
    team.claim("noor")
    assert team.claim("omar") == "c2"
    clock.forward(minutes=20)
    assert problem(team.submit("omar", "c2"))[1] == "review_item_not_held"
    assert team.claim("omar") == "c2"
    assert team.submit("omar", "c2").status_code == 201


def test_the_time_of_a_lock_is_a_setting(settings: Settings, clock: Clock) -> None:
    create_store(settings)
    changed = settings.model_copy(
        update={"review_lock_expires_after": 2 * settings.review_lock_expires_after}
    )
    key = get_or_create_local_key(changed, clock())
    with TestClient(FastPathMiddleware(create_app(changed, clock, Ids()))) as api:
        api.headers["authorization"] = f"Bearer {key}"
        team = Team(api)
        team.draw(team.open(1))
        team.claim("noor")
        clock.forward(minutes=29)
        assert team.claim("omar") is None


def test_a_released_conversation_is_free_at_once(team: Team) -> None:
    team.draw(["c1", "c2"])
    team.claim("noor")
    team.release("noor", "c2")  # not the one that noor holds
    assert team.claim("omar") == "c2"
    team.release("noor", "c1")
    team.release("noor", "c1")
    assert team.claim("pia") == "c1"


def test_a_reviewer_gets_each_conversation_once_and_two_get_it_for_double_review(
    team: Team,
) -> None:
    team.draw(["c1", "c2"], reviews_per_conversation=2)
    assert [team.claim(each) for each in ("noor", "omar", "pia")] == ["c1", "c1", "c2"]
    team.submit("noor", "c1")
    assert team.claim("noor") == "c2"
    assert team.claim("quinn") is None
    team.submit("omar", "c1")
    team.submit("noor", "c2")
    assert team.claim("noor") is None
    team.submit("pia", "c2")
    assert team.claim("omar") is None
    progress = team.sample()
    counts = [progress[name] for name in ("item_count", "done_count", "review_count")]
    assert (*counts, progress["locked_count"]) == (2, 2, 4, 0)
    items = team.get("review-samples/s1/items")["items"]
    assert [each["reviewers"] for each in items] == [["noor", "omar"], ["noor", "pia"]]


def test_a_claim_of_an_unknown_sample_is_an_error(team: Team) -> None:
    answer = team.post("review-samples/nothing/claims", reviewer="noor")
    assert problem(answer)[:2] == (404, "unknown_sample")
    assert team.api.get("/v1/review-samples/nothing/items").status_code == 404


# --- reviews of a sample ---------------------------------------------------------------------


def test_only_who_holds_a_conversation_reviews_it(team: Team) -> None:
    team.draw(["c1", "c2"])
    team.claim("noor")
    not_held = (409, "review_item_not_held", "$.participant_id")
    assert problem(team.submit("omar", "c1")) == not_held
    assert problem(team.submit(None, "c1")) == not_held
    assert problem(team.submit("noor", "c2")) == not_held
    assert problem(team.submit("noor", "c3"))[:2] == (404, "unknown_review_item")
    assert problem(team.submit("noor", "c1", assignment_id="s9"))[:2] == (404, "unknown_sample")
    assert team.submit("noor", "c1").status_code == 201
    assert problem(team.submit("noor", "c1")) == not_held


def test_a_rejected_review_keeps_the_lock(team: Team) -> None:
    team.draw(["c1"])
    team.claim("noor")
    assert team.submit("noor", "c1", ratings={"accuracy": 1}).status_code == 422
    assert team.submit("noor", "c1").status_code == 201


def test_a_sample_is_reviewed_with_its_own_scorecard(team: Team) -> None:
    team.publish(version=2)
    team.draw(["c1"])
    team.claim("noor")
    for changes in ({"scorecard_version": 2}, {"scorecard": "sales"}):
        answer = team.submit("noor", "c1", **changes)
        assert problem(answer)[:2] == (409, "scorecard_mismatch")


def test_a_review_has_the_sampling_of_its_sample(team: Team) -> None:
    team.draw(["c1"], sampling="targeted", is_calibration=True)
    team.review_next("noor", sampling="random", inclusion_probability=1.0)
    (review,) = team.reviews()
    assert (review["sampling"], review["is_calibration"]) == ("targeted", True)
    assert review["inclusion_probability"] == 0.1


def test_others_reviews_are_hidden_until_the_own_one_is_submitted(team: Team) -> None:
    team.draw(["c1", "c2"], reviews_per_conversation=2)
    team.review_next("noor")
    team.review_next("noor")
    team.submit("lead", "c3", assignment_id=None)

    def seen(reviewer: str, **params: Any) -> list[tuple[str, str]]:
        found = team.reviews(reviewer=reviewer, **params)
        return [(each["conversation_id"], each["reviewer"]) for each in found]

    assert seen("noor") == [("c1", "noor"), ("c2", "noor"), ("c3", "lead")]
    assert seen("omar") == [("c3", "lead")]
    assert seen("omar", conversation_id="c1") == []
    team.review_next("omar")
    assert seen("omar", sample_id="s1") == [("c1", "noor"), ("c1", "omar")]
    assert len(team.reviews()) == 4


def test_a_review_in_another_sample_does_not_lift_the_blindness(team: Team) -> None:
    for sample_id in ("s2", "s1"):
        team.draw(["c1"], sample_id, reviews_per_conversation=2)
    team.review_next("noor")
    assert team.claim("omar", "s2") == "c1"
    team.submit("omar", "c1", assignment_id="s2")
    assert [each["reviewer"] for each in team.reviews(reviewer="omar")] == ["omar"]


def test_reviews_are_listed_in_pages_without_a_gap(team: Team) -> None:
    for number in range(7):
        team.submit(f"r{number}", f"c{number % 4 + 1}", assignment_id=None)
    pages: list[list[str]] = []
    cursor = None
    while cursor is not None or not pages:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = team.get("reviews", **params)
        pages.append([each["reviewer"] for each in page["items"]])
        cursor = page["cursor"]
    assert pages == [["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"]]
    answer = team.api.get("/v1/reviews", params={"cursor": "no cursor"})
    assert answer.json()["code"] == "invalid_request"


# --- replacements ----------------------------------------------------------------------------


def replace(team: Team, conversation_id: str, **changes: Any) -> Any:
    replacement = {"sample_id": "s1", "conversation_id": conversation_id, "reason": "a test"}
    body = {"participant_id": "lead", "replacement": replacement | changes}
    return team.post("review-replacements", **body)


def test_a_replacement_takes_the_place_of_a_conversation_and_the_reason_is_kept(
    team: Team,
) -> None:
    team.draw(["c1", "c2"])
    assert team.claim("noor") == "c1"
    assert replace(team, "c1", replacement="c3").status_code == 201
    assert problem(team.submit("noor", "c1"))[1] == "unknown_review_item"
    assert team.claim("noor") == "c3"
    assert replace(team, "c2").status_code == 201
    sample = team.sample()
    assert (sample["item_count"], sample["locked_count"]) == (1, 1)
    assert [(each["conversation_id"], each["replacement"]) for each in sample["replaced"]] == [
        ("c1", "c3"),
        ("c2", None),
    ]
    assert {each["reason"] for each in sample["replaced"]} == {"a test"}
    (item,) = team.get("review-samples/s1/items")["items"]
    assert (item["conversation_id"], item["inclusion_probability"]) == ("c3", 0.1)


def test_a_reviewed_conversation_is_not_replaced(team: Team) -> None:
    team.draw(["c1", "c2"], reviews_per_conversation=2)
    team.review_next("noor")
    assert problem(replace(team, "c1"))[:2] == (409, "review_state")
    assert problem(replace(team, "c3"))[:2] == (404, "unknown_review_item")
    assert problem(replace(team, "c2", replacement="c1"))[0] == 422
    assert problem(replace(team, "c2", replacement="nowhere"))[1] == "unknown_conversation"


# --- access ----------------------------------------------------------------------------------


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
