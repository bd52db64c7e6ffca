"""The files of reviews, ratings and disputes."""

import io
from typing import Any

import polars as pl
import pytest

from dashboards.downloads import write
from dashboards.reviews.frames import disputes_frame, ratings_frame, reviews_frame
from ingest.client import (
    CorrectedAnswer,
    Dispute,
    PinnedComment,
    Review,
)
from tests.reviews.records import AT, make_review
from warehouse.export_format import Format


def exported() -> list[Review]:
    dispute = Dispute(
        disputed_by="mira", disputed_at=AT, reason="=cmd()", category="tone", expected_rating=1.0
    )
    return [
        make_review(
            "c1", ratings={"tone": 0.0, "process": None}, causes={"tone": ["Unclear", "Too long"]},
            comment="=1+1", comments=[PinnedComment(message_id="m1", text="Kind.")],
            corrected_answers=[CorrectedAnswer(message_id="m2", text="Ask first.")], tags=["Praise", "Example"],
            status="disputed", disputes=[dispute],
        ),
        make_review("c2", "sam"),
    ]  # fmt: skip


def test_the_ratings_file_has_one_row_per_review_and_category() -> None:
    frame = ratings_frame(exported())
    assert frame.select("conversation_id", "category", "rating", "is_applicable", "causes").rows() == [
        ("c1", "tone", 0.0, True, "Unclear\nToo long"),
        ("c1", "process", None, False, None),
        ("c2", "tone", 1.0, True, None),
    ]  # fmt: skip


def test_the_reviews_file_has_one_row_per_review_with_its_sample() -> None:
    frame = reviews_frame(exported())
    assert frame.height == 2
    row = frame.row(0, named=True)
    assert (row["sample_id"], row["dispute_count"], row["tags"]) == ("s1", 1, "Praise\nExample")
    assert row["comments"] == '[{"message_id": "m1", "text": "Kind."}]'
    assert row["corrected_answers"] == '[{"message_id": "m2", "text": "Ask first."}]'


def test_the_disputes_file_has_both_scores_and_no_outcome_while_it_is_open() -> None:
    [row] = disputes_frame(exported()).to_dicts()
    assert (row["review_id"], row["disputed_by"], row["outcome"]) == ("r-c1-noor", "mira", None)
    assert (row["first_score"], row["score"], row["expected_rating"]) == (80.0, 80.0, 1.0)


@pytest.mark.parametrize("make", [reviews_frame, ratings_frame, disputes_frame])
def test_every_format_has_the_same_rows_also_without_any(make: Any) -> None:
    for reviews in (exported(), []):
        frame = make(reviews)
        read = {
            "parquet": pl.read_parquet(io.BytesIO(write(frame, Format.parquet))),
            "csv": pl.read_csv(io.BytesIO(write(frame, Format.csv))),
        }
        assert read["parquet"].equals(frame)
        assert read["csv"].height == frame.height
        assert read["csv"].columns == frame.columns
        assert write(frame, Format.jsonl).count(b"\n") == frame.height


def test_a_comment_is_never_a_formula() -> None:
    text = write(reviews_frame(exported()), Format.csv).decode()
    assert "'=1+1" in text
    assert "'=cmd()" in write(disputes_frame(exported()), Format.csv).decode()
