"""Errors of reviews, of their samples and scorecards."""

from ingest.errors import EventRejectedError


class UnknownReviewError(EventRejectedError):
    """No review has this id. Nothing was stored."""

    status = 404
    code = "unknown_review"
    title = "Unknown review"


class ReviewStateError(EventRejectedError):
    """The state of the review does not allow this step. Nothing was stored."""

    status = 409
    code = "review_state"
    title = "The review does not allow this now"


class OwnReviewError(EventRejectedError):
    """The reviewer may not settle the dispute of their own review. Nothing was stored."""

    status = 403
    code = "own_review"
    title = "Another person settles this dispute"


class UnknownSampleError(EventRejectedError):
    """No sample has this id. Nothing was stored."""

    status = 404
    code = "unknown_sample"
    title = "Unknown sample"


class SampleExistsError(EventRejectedError):
    """Another sample has this id. Nothing was stored."""

    status = 409
    code = "sample_exists"
    title = "The sample exists"


class UnknownReviewItemError(EventRejectedError):
    """The sample does not have this conversation. Nothing was stored."""

    status = 404
    code = "unknown_review_item"
    title = "The sample does not have this conversation"


class ReviewItemNotHeldError(EventRejectedError):
    """The reviewer does not hold this conversation of the sample, or no longer. The review was not stored.

    Claim the next conversation of the sample: it is this one again, unless another reviewer has it.
    """

    status = 409
    code = "review_item_not_held"
    title = "The reviewer does not hold this conversation"


class UnknownScorecardError(EventRejectedError):
    """No scorecard is published under this name and version; publish it first. Nothing was stored."""

    status = 404
    code = "unknown_scorecard"
    title = "Unknown scorecard"


class ScorecardExistsError(EventRejectedError):
    """This version of the scorecard is published already. It never changes; publish the next version."""

    status = 409
    code = "scorecard_exists"
    title = "This version of the scorecard exists"


class ScorecardMismatchError(EventRejectedError):
    """The sample is reviewed with another scorecard, or another version of it. The review was not stored."""

    status = 409
    code = "scorecard_mismatch"
    title = "The sample has another scorecard"
