"""Samples and their items as the API shows them; scorecards and reviews are shown as their states."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from ingest.contract import from_micros
from ingest.events.review_queue import Lock
from ingest.events.review_state import ReplacedItem, Review, Sample, SampleDraw, Scorecard
from ingest.log.review_queries import ReviewCounts


class SampleProgress(SampleDraw, kw_only=True):
    """A sample, and how far its review is. An item is done when it has all of its reviews."""

    replaced: list[ReplacedItem]
    item_count: int
    done_count: int
    locked_count: int
    review_count: int


class ItemLock(Struct, kw_only=True):
    """A reviewer who holds an item, until when."""

    reviewer: str
    locked_until: datetime


class ItemProgress(Struct, kw_only=True):
    """A conversation of a sample: who holds it, and who has submitted a review.

    `locked_by` and `locked_until` are those of the lock that ends last; `locks` has all.
    """

    conversation_id: str
    stratum: str | None
    inclusion_probability: float
    locked_by: str | None
    locked_until: datetime | None
    locks: list[ItemLock]
    reviewers: list[str]


class Claim(Struct, kw_only=True):
    """The conversation that a reviewer holds now."""

    conversation_id: str
    locked_until: datetime


class ScorecardList(Struct, kw_only=True):
    """Every published version, the newest last."""

    items: list[Scorecard]


class SampleList(Struct, kw_only=True):
    """Every sample, the newest last."""

    items: list[SampleProgress]


class ItemList(Struct, kw_only=True):
    """The items of a sample, in the order of review."""

    items: list[ItemProgress]


class ClaimResult(Struct, kw_only=True):
    """The claimed conversation; null if none is left for this reviewer."""

    claim: Claim | None


class ReviewPage(Struct, kw_only=True):
    """A page; `cursor` leads to the next one and is null on the last."""

    items: list[Review]
    cursor: str | None
    has_more: bool


def to_sample_progress(sample: Sample, counts: ReviewCounts) -> SampleProgress:
    """Return the view of a sample."""
    done = [
        each
        for each in sample.items
        if counts.by_conversation.get(each.conversation_id, 0) >= sample.reviews_per_conversation
    ]
    shown = {name: getattr(sample, name) for name in sample.__struct_fields__ if name != "items"}
    return SampleProgress(
        **shown,
        item_count=len(sample.items),
        done_count=len(done),
        locked_count=counts.locks,
        review_count=sum(counts.by_conversation.values()),
    )


def to_items(
    sample: Sample, reviewers: Mapping[str, Sequence[str]], locks: Mapping[str, Lock]
) -> list[ItemProgress]:
    """Return the view of each item of a sample."""
    held: dict[str, list[ItemLock]] = {}
    for name, lock in sorted(locks.items(), key=lambda pair: pair[1].locked_until):
        shown = ItemLock(reviewer=name, locked_until=from_micros(lock.locked_until))
        held.setdefault(lock.conversation_id, []).append(shown)
    items: list[ItemProgress] = []
    for each in sample.items:
        own = held.get(each.conversation_id, [])
        items.append(
            ItemProgress(
                **msgspec.structs.asdict(each),
                locked_by=own[-1].reviewer if own else None,
                locked_until=own[-1].locked_until if own else None,
                locks=own,
                reviewers=list(reviewers.get(each.conversation_id, ())),
            )
        )
    return items


def to_claim(lock: Lock | None) -> ClaimResult:
    """Return the view of what a reviewer holds."""
    if lock is None:
        return ClaimResult(claim=None)
    until = from_micros(lock.locked_until)
    return ClaimResult(claim=Claim(conversation_id=lock.conversation_id, locked_until=until))
