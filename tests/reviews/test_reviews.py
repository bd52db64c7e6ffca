"""Reviews: judgements of conversations, which change no conversation and are never overwritten."""

from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from ingest.auth.api_keys import Grant, create_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation
from tests.test_verify_figures import failures

REVIEW = {
    "scorecard": "service",
    "scorecard_version": 1,
    "score": 50.0,
    "ratings": {"tone": 0.5, "process": None},
    "sampling": "random",
}


@pytest.fixture
def filled(api: TestClient) -> TestClient:
    """An API with the conversation c1."""
    for event in make_conversation("c1", messages=2):
        assert api.post("/v1/events", json=event).status_code == 201
    return api


def review(api: TestClient, conversation: str = "c1", **changes: Any) -> httpx2.Response:
    body = {"participant_id": "noor", "review": REVIEW | changes}
    return api.post(f"/v1/conversations/{conversation}/reviews", json=body)


def dispute(api: TestClient, review_id: str) -> httpx2.Response:
    body = {"participant_id": "mira", "dispute": {"review_id": review_id, "reason": "no"}}
    return api.post("/v1/conversations/c1/review-disputes", json=body)


def settle(api: TestClient, review_id: str, **changes: Any) -> httpx2.Response:
    body = {"participant_id": "lead", "resolution": {"review_id": review_id} | changes}
    return api.post("/v1/conversations/c1/review-resolutions", json=body)


def test_a_review_is_disputed_and_changed_and_the_first_score_stays(
    filled: TestClient, settings: Settings, clock: Clock
) -> None:
    answer = review(filled)
    assert answer.status_code == 201
    review_id = answer.json()["event_id"]
    clock.forward(minutes=5)
    assert dispute(filled, review_id).status_code == 201
    changed = settle(filled, review_id, outcome="changed", score=100.0, ratings={"tone": 1.0})
    assert changed.status_code == 201
    record = Record(settings, clock)
    record.seal()
    record.load()
    assert failures(settings) == []
    (row,) = record.query("select * from reviews")
    assert (row["conversation_id"], row["reviewer"], row["status"]) == ("c1", "noor", "changed")
    assert (row["score"], row["first_score"], row["ratings"]) == (100.0, 50.0, '{"tone":1.0}')
    assert (row["sampling"], row["dispute_count"]) == ("random", 1)


def test_a_review_changes_no_conversation(filled: TestClient) -> None:
    before = filled.get("/v1/conversations/c1").json()
    assert review(filled).status_code == 201
    assert filled.get("/v1/conversations/c1").json() == before
    events = filled.get("/v1/conversations/c1/events").json()["items"]
    assert events
    assert not [each for each in events if each["event_type"].startswith("review.")]


def test_a_review_that_is_sent_again_is_stored_once(filled: TestClient) -> None:
    body = {"event_id": "r1", "participant_id": "noor", "review": REVIEW}
    path = "/v1/conversations/c1/reviews"
    assert [filled.post(path, json=body).status_code for _ in range(2)] == [201, 200]
    body["review"] = REVIEW | {"score": 0.0}
    assert filled.post(path, json=body).status_code == 409


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"score": 101}, "$.review.score"),
        ({"ratings": {"tone": 2}}, "$.review.ratings"),
        ({"sampling": "favourite"}, "$.review.sampling"),
        ({"scorecard_version": 0}, "$.review.scorecard_version"),
    ],
)
def test_a_wrong_judgement_is_answered_with_its_field(
    filled: TestClient, changes: dict[str, Any], field: str
) -> None:
    answer = review(filled, **changes)
    assert answer.status_code == 422
    assert field in answer.text


def test_what_is_reviewed_or_disputed_must_exist(filled: TestClient) -> None:
    assert review(filled, "nowhere").json()["code"] == "unknown_conversation"
    assert dispute(filled, "nothing").json()["code"] == "unknown_review"
    assert settle(filled, "nothing", outcome="upheld").status_code == 404


def test_a_dispute_names_a_review_of_the_same_conversation(filled: TestClient) -> None:
    for event in make_conversation("c2", messages=1):
        assert filled.post("/v1/events", json=event).status_code == 201
    elsewhere = review(filled, "c2").json()["event_id"]
    assert (
        settle(filled, elsewhere, outcome="changed", score=0.0).json()["code"] == "unknown_review"
    )
    message = filled.get("/v1/conversations/c1/events").json()["items"][1]["event_id"]
    assert dispute(filled, message).json()["code"] == "unknown_review"


def test_two_sources_do_not_share_the_id_of_a_review(
    filled: TestClient, settings: Settings, clock: Clock
) -> None:
    engine = open_engine(settings.database_url)
    other = create_key(engine, "other", clock(), Grant(frozenset({"review"})))
    engine.dispose()
    body = {"event_id": "r1", "participant_id": "noor", "review": REVIEW}
    path = "/v1/conversations/c1/reviews"
    assert filled.post(path, json=body).status_code == 201
    answer = filled.post(path, json=body, headers={"authorization": f"Bearer {other}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "event_rejected")


def test_a_review_needs_its_own_scope(filled: TestClient, settings: Settings, clock: Clock) -> None:
    def key(*scopes: str) -> dict[str, str]:
        engine = open_engine(settings.database_url)
        made = create_key(engine, "some", clock(), Grant(frozenset(scopes)))
        engine.dispose()
        return {"authorization": f"Bearer {made}"}

    body = {"review": REVIEW}
    path = "/v1/conversations/c1/reviews"
    writer = filled.post(path, json=body, headers=key("conversations:write", "events:write"))
    assert (writer.status_code, writer.json()["code"]) == (403, "missing_scope")
    assert filled.post(path, json=body, headers=key("review")).status_code == 201


def test_a_fact_is_no_review(filled: TestClient) -> None:
    event = {"event_type": "review.submitted", "conversation_id": "c1", "payload": REVIEW}
    assert filled.post("/v1/events", json=event).status_code in (403, 422)
