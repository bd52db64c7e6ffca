"""Reviews and samples as the client returns them."""

from datetime import UTC, date, datetime
from typing import Any

from dashboards.filter_state import Period, Scope
from ingest.client import (
    Review,
    SampleProgress,
)

AT = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


SCOPE = Scope(Period(date(2026, 11, 16), date(2026, 11, 22)))


def make_review(
    conversation_id: str = "c1", reviewer: str = "noor", score: float = 80.0, **over: Any
) -> Review:
    ratings = over.pop("ratings", {"tone": 1.0})
    fields: dict[str, Any] = {
        "review_id": f"r-{conversation_id}-{reviewer}", "conversation_id": conversation_id, "message_id": None,
        "reviewer": reviewer, "reviewee": None, "submitted_at": AT, "scorecard": "service", "scorecard_version": 1,
        "score": score, "first_score": score, "ratings": ratings, "first_ratings": ratings, "causes": {},
        "is_critical_failure": False, "comment": None, "comments": [], "corrected_answers": [], "tags": [],
        "assignment_id": "s1", "sampling": "random", "inclusion_probability": 0.5, "is_calibration": False,
        "seconds_spent": 60, "status": "submitted", "disputes": [],
    }  # fmt: skip
    return Review(**fields | over)


def make_sample(sample_id: str = "s1", reviews: int = 1, **over: Any) -> SampleProgress:
    fields: dict[str, Any] = {
        "sample_id": sample_id, "title": "A sample", "scorecard": "service", "scorecard_version": 1,
        "sampling": "random", "seed": 1, "population": 100, "filters": {}, "reviews_per_conversation": reviews,
        "is_calibration": False, "due_on": None, "drawn_by": "lead", "drawn_at": AT, "item_count": 10,
        "done_count": 0, "locked_count": 0, "review_count": 0,
    }  # fmt: skip
    return SampleProgress(**fields | over)
