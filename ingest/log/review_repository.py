"""The scorecards, samples, reviews and locks that one commit reads and changes. Reviews are rare: each is read as needed."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, delete, insert, select, update

from ingest.events import review_state
from ingest.events.conversation_state import encode_state
from ingest.events.review_queue import Lock
from ingest.events.review_state import Review, Sample, Scorecard
from ingest.events.stored_event import StoredEvent, decode_payload
from ingest.log.storage.state_reader import read_review, read_sample, read_scorecard
from ingest.log.storage.store import Store
from ingest.log.storage.tables import review_locks, review_samples, reviews, scorecards

S = TypeVar("S")


class ReviewRepository:
    """Loads each state once, projects events onto it, and saves those that changed."""

    def __init__(self, store: Store) -> None:
        """Start without states."""
        self._store = store
        self._scorecards: dict[tuple[str, int], Scorecard | None] = {}
        self._samples: dict[str, Sample | None] = {}
        self._reviews: dict[str, Review | None] = {}
        self._reviewed: dict[str, dict[str, set[str]]] = {}
        self._locks: dict[str, dict[str, Lock]] = {}
        self._created: list[tuple[Scorecard | Sample | Review, StoredEvent]] = []
        self._changed_samples: set[str] = set()
        self._changed_reviews: set[str] = set()
        self._changed_locks: set[tuple[str, str]] = set()

    def scorecard(self, name: str, version: int) -> Scorecard | None:
        """Return a version of a scorecard, if it is published. Raises UnreadableStateError."""
        key = name, version
        if key not in self._scorecards:
            is_it = (scorecards.c.name == name, scorecards.c.version == version)
            self._scorecards[key] = self._find(
                scorecards, is_it, lambda blob: read_scorecard(self._store.engine, *key, blob)
            )
        return self._scorecards[key]

    def sample(self, sample_id: str) -> Sample | None:
        """Return a sample, if it exists. Raises UnreadableStateError."""
        if sample_id not in self._samples:
            self._samples[sample_id] = self._find(
                review_samples,
                (review_samples.c.sample_id == sample_id,),
                lambda blob: read_sample(self._store.engine, sample_id, blob),
            )
        return self._samples[sample_id]

    def review(self, review_id: str) -> Review | None:
        """Return a review, if it exists. Raises UnreadableStateError."""
        if review_id not in self._reviews:
            self._reviews[review_id] = self._find(
                reviews,
                (reviews.c.review_id == review_id,),
                lambda blob: read_review(self._store.engine, review_id, blob),
            )
        return self._reviews[review_id]

    def reviewed(self, sample_id: str) -> dict[str, set[str]]:
        """Return who reviewed each conversation of a sample."""
        if sample_id not in self._reviewed:
            query = select(reviews.c.conversation_id, reviews.c.reviewer)
            found: dict[str, set[str]] = {}
            for conversation_id, name in self._store.fetch(
                query.where(reviews.c.sample_id == sample_id)
            ):
                found.setdefault(conversation_id, set()).add(name)
            self._reviewed[sample_id] = found
        return self._reviewed[sample_id]

    def locks(self, sample_id: str) -> dict[str, Lock]:
        """Return what each reviewer holds, or held last, of a sample."""
        if sample_id not in self._locks:
            query = select(
                review_locks.c.reviewer, review_locks.c.conversation_id, review_locks.c.locked_until
            ).where(review_locks.c.sample_id == sample_id)
            self._locks[sample_id] = {row[0]: Lock(*row[1:]) for row in self._store.fetch(query)}
        return self._locks[sample_id]

    def set_lock(self, sample_id: str, reviewer: str, lock: Lock | None) -> None:
        """Give a reviewer a conversation of a sample; None takes it away."""
        if lock is not None:
            self.locks(sample_id)[reviewer] = lock
        elif self.locks(sample_id).pop(reviewer, None) is None:
            return
        self._changed_locks.add((sample_id, reviewer))

    def project(self, event: StoredEvent) -> None:
        """Project an event of the stream `review`. Raises UnreadableStateError.

        An event that does not fit, of a later version, changes nothing.
        """
        match event.event_type:
            case "scorecard.published":
                if (scorecard := review_state.to_scorecard(event)) is not None:
                    self._scorecards[scorecard.name, scorecard.version] = scorecard
                    self._created.append((scorecard, event))
            case "review.sampled":
                if (sample := review_state.to_sample(event)) is not None:
                    self._samples[sample.sample_id] = sample
                    self._created.append((sample, event))
            case "review.submitted":
                if (review := review_state.to_review(event)) is not None:
                    self._add_review(review, event)
            case "review.item_replaced":
                found = self.sample(_named(event, "sample_id"))
                if found is not None:
                    review_state.replace_item(found, event)
                    self._changed_samples.add(found.sample_id)
            case _:
                reviewed = self.review(_named(event, "review_id"))
                if reviewed is not None:
                    review_state.apply_to_review(reviewed, event)
                    self._changed_reviews.add(reviewed.review_id)

    def _add_review(self, review: Review, event: StoredEvent) -> None:
        if review.assignment_id is not None and review.reviewer is not None:
            done = self.reviewed(review.assignment_id)
            done.setdefault(review.conversation_id, set()).add(review.reviewer)
        self._reviews[review.review_id] = review
        self._created.append((review, event))

    def save(self) -> None:
        """Write what changed to the store. The events have positions."""
        for state, event in self._created:
            self._store.execute(_insert(state, event.position))
        for sample_id in self._changed_samples:
            self._update(
                review_samples, review_samples.c.sample_id == sample_id, self._samples[sample_id]
            )
        for review_id in self._changed_reviews:
            self._update(reviews, reviews.c.review_id == review_id, self._reviews[review_id])
        for sample_id, reviewer in sorted(self._changed_locks):
            self._save_lock(sample_id, reviewer)

    def _save_lock(self, sample_id: str, reviewer: str) -> None:
        key = {"sample_id": sample_id, "reviewer": reviewer}
        self._store.execute(
            delete(review_locks).where(*(review_locks.c[name] == key[name] for name in key))
        )
        lock = self.locks(sample_id).get(reviewer)
        if lock is not None:
            self._store.execute(insert(review_locks).values(**key, **lock._asdict()))

    def _update(self, table: Table, is_it: ColumnElement[bool], state: Any) -> None:
        self._store.execute(update(table).where(is_it).values(projection=encode_state(state)))

    def _find(
        self, table: Table, is_it: Sequence[ColumnElement[bool]], read: Callable[[bytes], S]
    ) -> S | None:
        rows = self._store.fetch(select(table.c.projection).where(*is_it))
        return read(rows[0][0]) if rows else None


def _insert(state: Scorecard | Sample | Review, position: int) -> Any:
    values: dict[str, Any] = {"position": position, "projection": encode_state(state)}
    match state:
        case Scorecard():
            return insert(scorecards).values(name=state.name, version=state.version, **values)
        case Sample():
            return insert(review_samples).values(sample_id=state.sample_id, **values)
        case Review():
            return insert(reviews).values(
                review_id=state.review_id,
                conversation_id=state.conversation_id,
                sample_id=state.assignment_id,
                reviewer=state.reviewer,
                **values,
            )


def _named(event: StoredEvent, name: str) -> str:
    value = decode_payload(event).get(name)
    return value if isinstance(value, str) else ""
