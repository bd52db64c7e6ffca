"""Decides the events of reviews and the claims of reviewers within one commit."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ingest.errors import EventRejectedError
from ingest.events import review_rules
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.draft import Draft
from ingest.events.review_errors import (
    ReviewItemNotHeldError,
    SampleExistsError,
    ScorecardExistsError,
    UnknownReviewError,
    UnknownSampleError,
    UnknownScorecardError,
)
from ingest.events.review_payloads import (
    ReviewItemReplaced,
    ReviewResolved,
    ReviewSampled,
    ReviewSubmitted,
    ScorecardPublished,
)
from ingest.events.review_queue import Lock, holds, next_conversation
from ingest.events.review_state import Review, Sample
from ingest.events.stored_event import StoredEvent, merge_payload
from ingest.log.conversation_repository import ConversationRepository
from ingest.log.review_repository import ReviewRepository
from ingest.log.storage.store import Store
from ingest.log.writer_requests import ClaimReviewItem, ReleaseReviewItem

P = TypeVar("P", bound=Struct)


class ReviewDesk:
    """Accepts or rejects what reviewers send. Every event and claim sees those before it in the commit."""

    def __init__(
        self, store: Store, conversations: ConversationRepository, lock_expires_after: int
    ) -> None:
        """`lock_expires_after` is in microseconds."""
        self._conversations = conversations
        self._lock_expires_after = lock_expires_after
        self._repository = ReviewRepository(store)

    def decide(self, draft: Draft, event: StoredEvent) -> None:
        """Accept an event, completed by what the server knows. Raises EventRejectedError or a subclass.

        A review names its conversation in the payload: it is none of the conversation's events.
        """
        match draft.event_type:
            case "scorecard.published":
                self._publish(_payload(draft, ScorecardPublished))
            case "review.sampled":
                self._draw(_payload(draft, ReviewSampled))
            case "review.item_replaced":
                self._replace(_payload(draft, ReviewItemReplaced), event)
            case "review.submitted":
                self._submit(draft, event)
            case _:
                self._follow_up(draft, event)
        if draft.conversation_id is not None:
            merge_payload(event, conversation_id=draft.conversation_id)
            event.conversation_id = None
        self._repository.project(event)

    def _publish(self, published: ScorecardPublished) -> None:
        review_rules.check_scorecard(published)
        if self._repository.scorecard(published.name, published.version) is not None:
            raise ScorecardExistsError(
                "this version is published already; publish the next one", "$.payload.version"
            )

    def _draw(self, sampled: ReviewSampled) -> None:
        review_rules.check_sample(sampled)
        if self._repository.sample(sampled.sample_id) is not None:
            raise SampleExistsError("another sample has this id", "$.payload.sample_id")
        if self._repository.scorecard(sampled.scorecard, sampled.scorecard_version) is None:
            raise UnknownScorecardError(
                "publish this version of the scorecard first", "$.payload.scorecard_version"
            )
        known = self._conversations.existing(each.conversation_id for each in sampled.items)
        for place, item in enumerate(sampled.items):
            if item.conversation_id not in known:
                field = f"$.payload.items[{place}].conversation_id"
                raise UnknownConversationError("there is no such conversation", field)

    def _replace(self, replaced: ReviewItemReplaced, event: StoredEvent) -> None:
        sample = self._require_sample(replaced.sample_id, "$.payload.sample_id")
        is_reviewed = replaced.conversation_id in self._repository.reviewed(sample.sample_id)
        item = review_rules.check_replacement(replaced, sample, is_reviewed)
        if replaced.replacement is not None and not self._conversations.existing(
            [replaced.replacement]
        ):
            raise UnknownConversationError("there is no such conversation", "$.payload.replacement")
        merge_payload(event, inclusion_probability=item.inclusion_probability, stratum=item.stratum)
        for reviewer, lock in list(self._repository.locks(sample.sample_id).items()):
            if lock.conversation_id == replaced.conversation_id:
                self._repository.set_lock(sample.sample_id, reviewer, None)

    def _submit(self, draft: Draft, event: StoredEvent) -> None:
        self._require_conversation(draft)
        submitted = _payload(draft, ReviewSubmitted)
        review_rules.check_comments(submitted.comments)
        if self._repository.review(event.event_id) is not None:
            raise EventRejectedError("another source has a review with this id", "event_id")
        drawn = self._held_item(draft, submitted, event.received_at)
        scorecard = self._repository.scorecard(submitted.scorecard, submitted.scorecard_version)
        outcome = review_rules.score_submission(submitted, scorecard)
        merge_payload(event, **drawn, **outcome._asdict())
        if submitted.assignment_id is not None and draft.participant_id is not None:
            self._repository.set_lock(submitted.assignment_id, draft.participant_id, None)

    def _held_item(self, draft: Draft, submitted: ReviewSubmitted, now: int) -> dict[str, Any]:
        """Return what the sample says about the conversation, which the reviewer must hold; else nothing."""
        if submitted.assignment_id is None:
            return {}
        sample = self._require_sample(submitted.assignment_id, "$.payload.assignment_id")
        item = review_rules.require_item(sample, draft.conversation_id, "conversation_id")
        review_rules.check_same_scorecard(submitted, sample)
        locks = self._repository.locks(sample.sample_id)
        if not holds(locks, draft.participant_id, item.conversation_id, now):
            raise ReviewItemNotHeldError(
                "the reviewer does not hold this conversation, or no longer; claim it again",
                "$.participant_id",
            )
        return {
            "sampling": sample.sampling,
            "inclusion_probability": item.inclusion_probability,
            "is_calibration": sample.is_calibration,
        }

    def _follow_up(self, draft: Draft, event: StoredEvent) -> None:
        self._require_conversation(draft)
        review = self._repository.review((draft.payload or {}).get("review_id", ""))
        if review is None or review.conversation_id != draft.conversation_id:
            raise UnknownReviewError("this conversation has no such review", "$.payload.review_id")
        if draft.event_type == "review.acknowledged" and draft.participant_id is None:
            raise EventRejectedError("participant_id is missing: who read it", "$.participant_id")
        if draft.event_type == "review.resolved":
            self._resolve(draft, event, review)

    def _resolve(self, draft: Draft, event: StoredEvent, review: Review) -> None:
        review_rules.check_resolution(draft.participant_id, review)
        scorecard = self._repository.scorecard(review.scorecard, review.scorecard_version)
        resolved = _payload(draft, ReviewResolved)
        outcome = review_rules.score_resolution(resolved, review, scorecard)
        if outcome is not None:
            merge_payload(event, **outcome._asdict())

    def claim(self, request: ClaimReviewItem, now: int) -> None:
        """Lock the next conversation of a sample for a reviewer, if there is one."""
        sample = self._repository.sample(request.sample_id)
        if sample is None:
            return
        found = next_conversation(
            sample,
            self._repository.reviewed(request.sample_id),
            self._repository.locks(request.sample_id),
            request.reviewer,
            now,
        )
        lock = None if found is None else Lock(found, now + self._lock_expires_after)
        self._repository.set_lock(request.sample_id, request.reviewer, lock)

    def release(self, request: ReleaseReviewItem) -> None:
        """Remove the lock of a reviewer on a conversation, if there is one."""
        lock = self._repository.locks(request.sample_id).get(request.reviewer)
        if lock is not None and lock.conversation_id == request.conversation_id:
            self._repository.set_lock(request.sample_id, request.reviewer, None)

    def save(self) -> None:
        """Write what changed to the store. The events have positions."""
        self._repository.save()

    def _require_sample(self, sample_id: str, field: str) -> Sample:
        found = self._repository.sample(sample_id)
        if found is None:
            raise UnknownSampleError("there is no sample with this id", field)
        return found

    def _require_conversation(self, draft: Draft) -> None:
        if draft.conversation_id is None or not self._conversations.existing(
            [draft.conversation_id]
        ):
            raise UnknownConversationError("there is no such conversation", "conversation_id")


def _payload(draft: Draft, kind: type[P]) -> P:
    """Return the payload, which `validate_draft` has checked."""
    return msgspec.convert(draft.payload, kind)
