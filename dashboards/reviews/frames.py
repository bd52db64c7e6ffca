"""Reviews as flat tables, for lists and files. Times are UTC; scores are 0 to 100, ratings 0 to 1."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from ingest.client import Review

Row = dict[str, Any]

REVIEWS: dict[str, Any] = {
    "review_id": pl.String,
    "conversation_id": pl.String,
    "reviewer": pl.String,
    "reviewee": pl.String,
    "submitted_at": pl.Datetime("us", "UTC"),
    "scorecard": pl.String,
    "scorecard_version": pl.Int64,
    "score": pl.Float64,
    "first_score": pl.Float64,
    "is_critical_failure": pl.Boolean,
    "status": pl.String,
    "dispute_count": pl.Int64,
    "comment": pl.String,
    "comments": pl.String,
    "corrected_answers": pl.String,
    "tags": pl.String,
    "sample_id": pl.String,
    "sampling": pl.String,
    "inclusion_probability": pl.Float64,
    "is_calibration": pl.Boolean,
    "seconds_spent": pl.Int64,
    "acknowledged_by": pl.String,
    "acknowledged_at": pl.Datetime("us", "UTC"),
}

RATINGS: dict[str, Any] = {
    "review_id": pl.String,
    "conversation_id": pl.String,
    "reviewer": pl.String,
    "sample_id": pl.String,
    "scorecard": pl.String,
    "scorecard_version": pl.Int64,
    "category": pl.String,
    "rating": pl.Float64,
    "first_rating": pl.Float64,
    "is_applicable": pl.Boolean,
    "causes": pl.String,
    "sampling": pl.String,
    "is_calibration": pl.Boolean,
}

DISPUTES: dict[str, Any] = {
    "review_id": pl.String,
    "conversation_id": pl.String,
    "reviewer": pl.String,
    "disputed_by": pl.String,
    "disputed_at": pl.Datetime("us", "UTC"),
    "reason": pl.String,
    "category": pl.String,
    "expected_rating": pl.Float64,
    "outcome": pl.String,
    "resolved_by": pl.String,
    "resolved_at": pl.Datetime("us", "UTC"),
    "resolution": pl.String,
    "first_score": pl.Float64,
    "score": pl.Float64,
}


def reviews_frame(reviews: Iterable[Review]) -> pl.DataFrame:
    """Return one row per review. `comments` and `corrected_answers` are JSON, `tags` has one tag a line."""
    return _frame([_review_row(each) for each in reviews], REVIEWS)


def ratings_frame(reviews: Iterable[Review]) -> pl.DataFrame:
    """Return one row per review and category of its ratings; a category that does not apply has no rating."""
    return _frame([row for each in reviews for row in _rating_rows(each)], RATINGS)


def disputes_frame(reviews: Iterable[Review]) -> pl.DataFrame:
    """Return one row per dispute; `outcome` is null while it is open."""
    return _frame([row for each in reviews for row in _dispute_rows(each)], DISPUTES)


def _frame(rows: Sequence[Row], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {name: [row[name] for row in rows] for name in schema}, schema=schema, strict=True
    )


def _review_row(review: Review) -> Row:
    own = {name: getattr(review, name, None) for name in REVIEWS}
    return own | {
        "sample_id": review.assignment_id,
        "dispute_count": len(review.disputes),
        "comments": _json([(each.message_id, each.text) for each in review.comments]),
        "corrected_answers": _json(
            [(each.message_id, each.text) for each in review.corrected_answers]
        ),
        "tags": "\n".join(review.tags) or None,
    }


def _json(notes: Sequence[tuple[str, str]]) -> str | None:
    if not notes:
        return None
    return json.dumps(
        [{"message_id": message_id, "text": text} for message_id, text in notes],
        ensure_ascii=False,
    )


def _rating_rows(review: Review) -> list[Row]:
    own = {name: getattr(review, name, None) for name in RATINGS}
    return [
        own
        | {
            "sample_id": review.assignment_id,
            "category": category,
            "rating": rating,
            "first_rating": review.first_ratings.get(category),
            "is_applicable": rating is not None,
            "causes": "\n".join(review.causes.get(category, [])) or None,
        }
        for category, rating in review.ratings.items()
    ]


def _dispute_rows(review: Review) -> list[Row]:
    own = {name: getattr(review, name, None) for name in DISPUTES}
    return [
        own | {name: getattr(each, name) for name in DISPUTES if hasattr(each, name)}
        for each in review.disputes
    ]
