"""A QA team over the API: a published scorecard, samples of conversations, reviewers who claim and review."""

from typing import Any

import httpx2
from fastapi.testclient import TestClient

from ingest.events.draft import Command
from tests.factories import Record, make_conversation

CATEGORIES: list[dict[str, Any]] = [
    {"id": "accuracy", "title": "The answer is right", "group": "answer", "weight": 2.0, "scale": 3},
    {"id": "tone", "title": "The tone fits", "group": "answer", "causes": ["curt", "too long"]},
    {"id": "privacy", "title": "No data was disclosed", "criticality": "review"},
    {"id": "process", "title": "The steps were kept", "allows_not_applicable": False},
]  # fmt: skip
RATINGS: dict[str, float | None] = {"accuracy": 1, "tone": 1, "privacy": None, "process": 1}


class Team:
    """Reviewers of one API. The scorecard `service`, version 1, is published."""

    def __init__(self, api: TestClient) -> None:
        self.api = api
        assert self.publish().status_code == 201

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self.api.post(f"/v1/{path}", json=body)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.api.get(f"/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def open(self, count: int) -> list[str]:
        """Create conversations; return their ids."""
        ids = [f"c{number}" for number in range(1, count + 1)]
        events = [event for each in ids for event in make_conversation(each, messages=2)]
        assert self.api.post("/v1/events", json=events).status_code == 200
        return ids

    def publish(self, version: int = 1, **changes: Any) -> httpx2.Response:
        scorecard = {"name": "service", "version": version, "categories": CATEGORIES} | changes
        return self.post("scorecards", participant_id="lead", scorecard=scorecard)

    def draw(self, ids: list[str], sample_id: str = "s1", **changes: Any) -> httpx2.Response:
        sample = {
            "sample_id": sample_id,
            "title": "Last week",
            "scorecard": "service",
            "scorecard_version": 1,
            "sampling": "random",
            "seed": 7,
            "population": 100,
            "items": [{"conversation_id": each, "inclusion_probability": 0.1} for each in ids],
        } | changes
        return self.post("review-samples", participant_id="lead", sample=sample)

    def claim(self, reviewer: str, sample_id: str = "s1") -> str | None:
        """Claim the next conversation; return its id."""
        answer = self.post(f"review-samples/{sample_id}/claims", reviewer=reviewer)
        assert answer.status_code == 200, answer.text
        claim = answer.json()["claim"]
        return None if claim is None else claim["conversation_id"]

    def release(self, reviewer: str, conversation_id: str) -> None:
        path = "review-samples/s1/releases"
        answer = self.post(path, reviewer=reviewer, conversation_id=conversation_id)
        assert answer.status_code == 200, answer.text

    def submit(self, reviewer: str | None, conversation_id: str, **changes: Any) -> httpx2.Response:
        """Submit a review of the sample s1, with full marks unless `changes` say otherwise.

        A low rating of the tone has the cause `curt`.
        """
        review: dict[str, Any] = {
            "scorecard": "service",
            "scorecard_version": 1,
            "ratings": RATINGS,
            "assignment_id": "s1",
        } | changes
        if review["ratings"].get("tone") == 0:
            review = {"causes": {"tone": ["curt"]}} | review
        given = {name: value for name, value in review.items() if value is not None}
        path = f"conversations/{conversation_id}/reviews"
        return self.post(path, participant_id=reviewer, review=given)

    def review_next(self, reviewer: str, **changes: Any) -> str:
        """Claim and review the next conversation; return the review's id."""
        conversation_id = self.claim(reviewer)
        assert conversation_id is not None
        answer = self.submit(reviewer, conversation_id, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["event_id"])

    def reviews(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("reviews", limit=500, **params)["items"]
        return found

    def sample(self) -> dict[str, Any]:
        """Return the last sample, with its progress."""
        found: dict[str, Any] = self.get("review-samples")["items"][-1]
        return found


def problem(answer: httpx2.Response) -> tuple[int, str, str | None]:
    """Return status, code and field of a problem."""
    body = answer.json()
    return answer.status_code, body["code"], body.get("field")


def write_reviews(record: Record) -> None:
    """Review conversations on two days: random and not, calibrations, and some disputes."""
    rows = record.log("select conversation_id from conversations order by conversation_id limit 40")
    for number, row in enumerate(rows):
        review = {
            "scorecard": "service",
            "scorecard_version": 1,
            "score": round(100 * number / 39, 2),
            "ratings": {},
            "sampling": ("random", "random", "targeted", "stratified", "adhoc")[number % 5],
            "is_calibration": number % 7 == 0,
        }
        written = {"event_id": f"r{number}", "conversation_id": row["conversation_id"]}
        _review(record, "review.submitted", review, participant_id="noor", **written)
        if number == 20:
            record.clock.forward(days=1)
        about = {"conversation_id": row["conversation_id"], "participant_id": "mira"}
        if number % 3 == 0:
            dispute = {"review_id": f"r{number}", "reason": "no"}
            _review(record, "review.disputed", dispute, **about)
        if number % 6 == 0:
            changed = {"review_id": f"r{number}", "outcome": "changed", "score": 50, "ratings": {}}
            _review(record, "review.resolved", changed, **about)


def _review(record: Record, event_type: str, payload: dict[str, Any], **columns: Any) -> None:
    event = {"event_type": event_type, "payload": payload, **columns}
    (answer,) = record.write([event], command=Command())
    assert answer.status == "accepted", answer.error
