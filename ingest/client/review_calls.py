"""Calls about reviews: scorecards, samples, claims, reviews and disputes."""

from collections.abc import Mapping
from urllib.parse import quote

from ingest.client.answers import Acknowledgement, Page
from ingest.client.call import Call, NamedCalls, conversation_path, encode_fields, page_call
from ingest.client.review_answers import (
    ClaimResult,
    ItemProgress,
    NewReview,
    Review,
    Sample,
    SampleProgress,
    Scorecard,
)

REVIEWS_PER_PAGE = 500


class ReviewCalls(NamedCalls):
    """The operations of reviews. Writes need a key with the scope `review`, for every channel."""

    def publish_scorecard(
        self, scorecard: Scorecard, *, published_by: str | None = None, event_id: str | None = None
    ) -> Call[Acknowledgement]:
        """Publish a version of a scorecard; it never changes. Safe to repeat with `event_id`.

        Raises ProblemError `scorecard_exists` if this version is published already.
        """
        given = Scorecard(
            name=scorecard.name, version=scorecard.version, categories=scorecard.categories
        )
        return self._command("/v1/scorecards", "scorecard", given, published_by, event_id)

    def scorecards(self) -> Call[Page[Scorecard]]:
        """Return every version of every scorecard, the newest last."""
        return page_call("/v1/scorecards", Page[Scorecard], limit=None)

    def draw_sample(
        self, sample: Sample, *, drawn_by: str | None = None, event_id: str | None = None
    ) -> Call[Acknowledgement]:
        """Store a sample of at most 1,000 conversations. Safe to repeat with `event_id`.

        Raises ProblemError `sample_exists`, `unknown_scorecard`, or `unknown_conversation` with the `field` at fault.
        """
        return self._command("/v1/review-samples", "sample", sample, drawn_by, event_id)

    def replace_item(
        self,
        sample_id: str,
        conversation_id: str,
        reason: str,
        *,
        replacement: str | None = None,
        replaced_by: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Replace a conversation of a sample before its first review, or take it out. Safe to repeat with `event_id`.

        Raises ProblemError `unknown_sample`, `unknown_review_item`, or `review_state` if it is reviewed already.
        """
        given = {"sample_id": sample_id, "conversation_id": conversation_id, "reason": reason}
        if replacement is not None:
            given["replacement"] = replacement
        path = "/v1/review-replacements"
        return self._command(path, "replacement", given, replaced_by, event_id)

    def samples(self) -> Call[Page[SampleProgress]]:
        """Return every sample with its progress, the newest last."""
        return page_call("/v1/review-samples", Page[SampleProgress], limit=None)

    def sample_items(self, sample_id: str) -> Call[Page[ItemProgress]]:
        """Return the conversations of a sample, in the order of review. Raises ProblemError `unknown_sample`."""
        return page_call(f"{_sample_path(sample_id)}/items", Page[ItemProgress], limit=None)

    def claim_item(self, sample_id: str, reviewer: str) -> Call[ClaimResult]:
        """Claim the next conversation of a sample; return None if none is left for this reviewer. Safe to repeat.

        It is locked until `locked_until`; claiming again returns the same one, and prolongs the lock.
        Raises ProblemError `unknown_sample`.
        """
        body = encode_fields(reviewer=reviewer)
        return Call("POST", f"{_sample_path(sample_id)}/claims", ClaimResult, body)

    def release_item(
        self, sample_id: str, conversation_id: str, reviewer: str
    ) -> Call[ClaimResult]:
        """Give a claimed conversation back, for others. Safe to repeat.

        Return what the reviewer holds of this sample now: None, unless it is another conversation.
        Raises ProblemError `unknown_sample`.
        """
        body = encode_fields(reviewer=reviewer, conversation_id=conversation_id)
        return Call("POST", f"{_sample_path(sample_id)}/releases", ClaimResult, body)

    def submit_review(
        self,
        conversation_id: str,
        review: NewReview,
        *,
        reviewer: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Submit a review; the acknowledgement's `event_id` is its id. Safe to repeat with `event_id`.

        Raises ProblemError `review_item_not_held` or `scorecard_mismatch` for a sample's conversation, and
        `event_rejected` with the `field` at fault for ratings or a score that do not fit the scorecard.
        """
        path = f"{conversation_path(conversation_id)}/reviews"
        return self._command(path, "review", review, reviewer, event_id)

    def dispute_review(
        self,
        conversation_id: str,
        review_id: str,
        reason: str,
        *,
        category: str | None = None,
        expected_rating: float | None = None,
        disputed_by: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Dispute a review, or the rating of one category. Safe to repeat with `event_id`.

        Raises ProblemError `unknown_review`.
        """
        given = {
            "review_id": review_id,
            "reason": reason,
            "category": category,
            "expected_rating": expected_rating,
        }
        path = f"{conversation_path(conversation_id)}/review-disputes"
        return self._command(path, "dispute", given, disputed_by, event_id)

    def resolve_dispute(
        self,
        conversation_id: str,
        review_id: str,
        outcome: str,
        *,
        resolved_by: str,
        ratings: Mapping[str, float | None] | None = None,
        score: float | None = None,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Settle the dispute of a review: `upheld`, or `changed` with all new ratings. Safe to repeat with `event_id`.

        Raises ProblemError `own_review` if the reviewer settles it, `review_state` if no dispute is open.
        """
        given = {
            "review_id": review_id,
            "outcome": outcome,
            "reason": reason,
            "score": score,
            "ratings": ratings,
        }
        path = f"{conversation_path(conversation_id)}/review-resolutions"
        return self._command(path, "resolution", given, resolved_by, event_id)

    def acknowledge_review(
        self,
        conversation_id: str,
        review_id: str,
        *,
        acknowledged_by: str,
        event_id: str | None = None,
    ) -> Call[Acknowledgement]:
        """Record that the reviewed person has read the review. Safe to repeat with `event_id`.

        Raises ProblemError `unknown_review`.
        """
        path = f"{conversation_path(conversation_id)}/review-acknowledgements"
        given = {"review_id": review_id}
        return self._command(path, "acknowledgement", given, acknowledged_by, event_id)

    def reviews(
        self,
        sample_id: str | None = None,
        conversation_id: str | None = None,
        reviewer: str | None = None,
    ) -> Call[Page[Review]]:
        """Return reviews as they are after their disputes, oldest first; of a sample, of a conversation.

        `reviewer` is as whom to read: other people's reviews of an item of a sample are left out until this
        reviewer has reviewed that item. Without it, all reviews are returned.
        """
        return page_call(
            "/v1/reviews",
            Page[Review],
            limit=REVIEWS_PER_PAGE,
            sample_id=sample_id,
            conversation_id=conversation_id,
            reviewer=reviewer,
        )

    def _command(
        self,
        path: str,
        name: str,
        given: object,
        participant_id: str | None,
        event_id: str | None,
    ) -> Call[Acknowledgement]:
        """Return the call of a command whose body has its object under `name`."""
        fields = {"event_id": self._id(event_id), "participant_id": participant_id, name: given}
        return Call("POST", path, Acknowledgement, encode_fields(**fields))


def _sample_path(sample_id: str) -> str:
    return f"/v1/review-samples/{quote(sample_id, safe='')}"
