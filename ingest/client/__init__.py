"""The Python clients of the conversation API: `Client` blocks, `AsyncClient` is awaited.

Every write carries ids that are made before the first try, and a retry sends the same bytes
again. So a call that comes back says that its events are on disk, once; a call that raises may
be made again with the same ids and never leaves a second event.

What a call sends and how its answer is read (calls, answers, outcomes), when it is tried again
(retries) and where a listener stands (listening) is written once; the two only send and wait.
"""

from ingest.client.answers import (
    Acknowledgement,
    BatchResult,
    Conversation,
    IngestStats,
    Message,
    Participant,
    Problem,
    RejectedEvent,
    SourceStats,
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
    "RejectedEvent",
    "SourceStats",
    "UnexpectedAnswerError",
    "UnreachableError",
]
