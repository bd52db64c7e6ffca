"""The Python clients of the conversation API: `Client` blocks, `AsyncClient` is awaited.

Every write has ids that are created before the first attempt, and a retry sends the same bytes. When a call
returns, its events are on disk, once. A call that raises may be repeated with the same ids and never leaves a
second event.
Requests and responses (calls, answers, outcomes), retries (retries) and the position of a listener
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
from ingest.client.outcomes import (
    ClientError,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
)

__all__ = [
    "Acknowledgement",
    "AsyncClient",
    "BatchResult",
    "Client",
    "ClientError",
    "Conversation",
    "IngestStats",
    "Message",
    "Participant",
    "Problem",
    "ProblemError",
    "Readiness",
    "RejectedEvent",
    "SourceStats",
    "TypingList",
    "Typist",
    "UnexpectedAnswerError",
    "UnreachableError",
]
