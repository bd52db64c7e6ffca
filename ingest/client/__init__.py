"""The Python clients of the conversation API: `Client` blocks, `AsyncClient` is awaited.

Every write has ids that are created before the first attempt, and a retry sends the same bytes. When a call
returns, its events are on disk, once. A call that raises may be repeated with the same ids and never leaves a
second event.
Requests and responses (calls, answers, outcomes; those of reviews apart), retries (retries) and the position of a listener
(listening) are written once; the two clients only send and wait.
"""

from ingest.client.answers import (
    Acknowledgement,
    BatchResult,
    Conversation,
    IngestStats,
    Message,
    Participant,
    Problem,
    Readiness,
    RejectedEvent,
    SourceStats,
    TypingList,
    Typist,
)
from ingest.client.asynchronous import AsyncClient
from ingest.client.blocking import Client
from ingest.client.contact_answers import Contact, ContactAddress, MergeProposal
from ingest.client.outcomes import (
    ClientError,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
)
from ingest.client.review_answers import (
    Category,
    Claim,
    CorrectedAnswer,
    Dispute,
    ItemLock,
    ItemProgress,
    NewReview,
    PinnedComment,
    ReplacedItem,
    Review,
    Sample,
    SampleItem,
    SampleProgress,
    Scorecard,
)
from ingest.events.review_score import needs_cause, score_ratings

__all__ = [
    "Acknowledgement",
    "AsyncClient",
    "BatchResult",
    "Category",
    "Claim",
    "Client",
    "ClientError",
    "Contact",
    "ContactAddress",
    "Conversation",
    "CorrectedAnswer",
    "Dispute",
    "IngestStats",
    "ItemLock",
    "ItemProgress",
    "MergeProposal",
    "Message",
    "NewReview",
    "Participant",
    "PinnedComment",
    "Problem",
    "ProblemError",
    "Readiness",
    "RejectedEvent",
    "ReplacedItem",
    "Review",
    "Sample",
    "SampleItem",
    "SampleProgress",
    "Scorecard",
    "SourceStats",
    "TypingList",
    "Typist",
    "UnexpectedAnswerError",
    "UnreachableError",
    "needs_cause",
    "score_ratings",
]
