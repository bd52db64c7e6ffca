"""Reads of scorecards, samples, locks and reviews for the API."""

from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select, tuple_

from ingest.errors import UnreadableStateError
from ingest.events.review_queue import Lock
from ingest.events.review_state import Review, Sample, Scorecard
from ingest.log.storage.state_reader import read_review, read_sample, read_scorecard
from ingest.log.storage.tables import review_locks, review_samples, reviews, scorecards


class ReviewFilter(NamedTuple):
    """Which reviews: of a sample, of a conversation; and as whom they are read.

    A reader does not see other people's reviews of an item of a sample until the reader has reviewed that item.
    """

    sample_id: str | None = None
    conversation_id: str | None = None
    reader: str | None = None


class ReviewCounts(NamedTuple):
    """The number of reviews of each conversation of a sample, and of live locks on the sample."""

    by_conversation: dict[str, int]
    locks: int


def list_scorecards(engine: Engine) -> list[Scorecard]:
    """Return all published scorecards, the newest last. Raises UnreadableStateError."""
    query = select(scorecards).order_by(
        scorecards.c.position, scorecards.c.name, scorecards.c.version
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [read_scorecard(engine, row.name, row.version, row.projection) for row in rows]


def list_samples(engine: Engine) -> list[Sample]:
    """Return all samples, the newest last. Raises UnreadableStateError."""
    query = select(review_samples).order_by(review_samples.c.position, review_samples.c.sample_id)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [read_sample(engine, row.sample_id, row.projection) for row in rows]


def get_sample(engine: Engine, sample_id: str) -> Sample | None:
    """Return a sample, or None. Raises UnreadableStateError."""
    query = select(review_samples.c.projection).where(review_samples.c.sample_id == sample_id)
    with engine.connect() as connection:
        projection = connection.execute(query).scalar()
    return None if projection is None else read_sample(engine, sample_id, projection)


def count_reviews(engine: Engine, now: int) -> dict[str, ReviewCounts]:
    """Return the counts of each sample that has any."""
    done = select(reviews.c.sample_id, reviews.c.conversation_id, func.count())
    done = done.where(reviews.c.sample_id.is_not(None))
    held = select(review_locks.c.sample_id, func.count()).where(review_locks.c.locked_until > now)
    with engine.connect() as connection:
        counted = connection.execute(done.group_by(*done.selected_columns[:2])).all()
        locked = connection.execute(held.group_by(review_locks.c.sample_id)).all()
    found = {sample_id: ReviewCounts({}, number) for sample_id, number in locked}
    for sample_id, conversation_id, number in counted:
        counts = found.setdefault(sample_id, ReviewCounts({}, 0))
        counts.by_conversation[conversation_id] = number
    return found


def list_reviewers(engine: Engine, sample_id: str) -> dict[str, list[str]]:
    """Return who reviewed each conversation of a sample, in the order of their reviews."""
    query = select(reviews.c.conversation_id, reviews.c.reviewer).order_by(reviews.c.position)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query.where(reviews.c.sample_id == sample_id)):
            found.setdefault(row.conversation_id, []).append(row.reviewer)
    return found


def list_locks(engine: Engine, sample_id: str, now: int) -> dict[str, Lock]:
    """Return what each reviewer holds of a sample now."""
    query = select(review_locks).where(
        review_locks.c.sample_id == sample_id, review_locks.c.locked_until > now
    )
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(review_locks.c.reviewer)).all()
    return {row.reviewer: Lock(row.conversation_id, row.locked_until) for row in rows}


def list_reviews(
    engine: Engine, limit: int, after: tuple[int, str] | None, wanted: ReviewFilter
) -> tuple[list[Review], tuple[int, str] | None]:
    """Return at most `limit` reviews, oldest first, submitted after a place, and the place of the last one if more follow.

    Reviews whose state cannot be read are left out; `unreadable_states` has them.
    """
    place = (reviews.c.position, reviews.c.review_id)
    query = select(*place, reviews.c.projection).where(*_conditions(wanted)).order_by(*place)
    if after is not None:
        query = query.where(tuple_(*place) > after)
    with engine.connect() as connection:
        rows = connection.execute(query.limit(limit + 1)).all()
    found: list[Review] = []
    for row in rows[:limit]:
        with suppress(UnreadableStateError):
            found.append(read_review(engine, row.review_id, row.projection))
    last = rows[limit - 1] if len(rows) > limit else None
    return found, None if last is None else (last.position, last.review_id)


def _conditions(wanted: ReviewFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.sample_id is not None:
        conditions.append(reviews.c.sample_id == wanted.sample_id)
    if wanted.conversation_id is not None:
        conditions.append(reviews.c.conversation_id == wanted.conversation_id)
    if wanted.reader is not None:
        own = reviews.alias("own")
        is_peer = and_(
            own.c.sample_id == reviews.c.sample_id,
            own.c.conversation_id == reviews.c.conversation_id,
            own.c.reviewer == wanted.reader,
        )
        has_reviewed = select(own.c.review_id).where(is_peer).exists()
        conditions.append(or_(reviews.c.sample_id.is_(None), has_reviewed))
    return conditions
