"""Conversations of a sample, handed out one by one, and released after a time."""

from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.factories import Clock, Ids, create_store
from tests.reviews.team import Team, problem


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
