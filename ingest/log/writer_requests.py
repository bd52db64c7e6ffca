"""Requests to the writer, and what it returns.

This is the seam between the API and the log: one of these requests in, one acknowledgement for each
event of an `Append` out, in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from ingest.errors import IngestError
from ingest.events.draft import Command, Draft
from ingest.events.stored_event import StoredEvent
from ingest.log.storage.statements import Bound, Statement

Status = Literal["accepted", "duplicate", "conflict", "rejected", "parked"]


class HookModification(Struct, frozen=True, array_like=True):
    """The text that hooks gave a message instead of its own, and which hooks."""

    text: str
    hook_ids: tuple[str, ...]


class IncomingEvent(Struct, array_like=True):
    """One event as it was received: its bytes, and the result of intake.

    Either `draft` is set, or the `error` for which intake rejected it. The log may reject a draft with a
    `command`; without one it is a fact. `fingerprint`: of what the producer sent, if the draft has more, such as
    a conversation that the server chose. The draft of a `modified` message stays as the client sent it, so
    that a repeat is recognised. `event_id`: the id that a repeat of a rejected event will have.
    """

    raw: bytes
    draft: Draft | None = None
    error: IngestError | None = None
    command: Command | None = None
    modified: HookModification | None = None
    event_id: str | None = None
    fingerprint: bytes | None = None


@dataclass(slots=True)
class Append:
    """Append the events of one HTTP request. `path` is its route; a replay uses the same route.

    `received` is the count of events before anything was parsed; the log compares it with what it
    stored, rejected and parked. `replay_of`: the rejected event that this replays. `channels`: the
    channels of a restricted API key; conversations of other channels do not exist for it.
    `statements` run in the same commit, whatever becomes of the events; so does what `record` returns for
    the results. `outcome`: what the builder of a deferred append reports to who submitted it.
    """

    source: str
    path: str
    received: int
    events: Sequence[IncomingEvent]
    replay_of: int | None = None
    channels: frozenset[str] = frozenset()
    statements: Sequence[Statement] = ()
    record: "Callable[[Sequence[Acknowledgement]], Bound] | None" = None
    outcome: Any = None


@dataclass(slots=True)
class DeferredAppend:
    """An append that the writer's `builder` of this name makes right before the commit, from what the log has by then.

    `content` may be pickled. `event_count`: the expected events. `outcome`: what the builder reports, once the append
    is committed.
    """

    builder: str
    content: Any
    event_count: int
    outcome: Any = None


@dataclass(frozen=True, slots=True)
class Execute:
    """Run statements, and append server events about them, in the next commit. Safe to repeat."""

    statements: Sequence[Statement]
    events: Sequence[StoredEvent] = ()


@dataclass(frozen=True, slots=True)
class RunTimers:
    """Run due timers and reject expired parked events, in at most `limit` conversations."""

    limit: int


@dataclass(frozen=True, slots=True)
class RecordPresence:
    """Record that an agent is connected or not, in the conversations of which the agent has control.

    Without `participant_id`, every agent; with `conversation_id`, only in that one. Safe to repeat.
    """

    participant_id: str | None
    conversation_id: str | None
    is_connected: bool


@dataclass(frozen=True, slots=True)
class ClaimReviewItem:
    """Lock the next conversation of a sample for a reviewer, or prolong the reviewer's lock. Safe to repeat."""

    sample_id: str
    reviewer: str


@dataclass(frozen=True, slots=True)
class ReleaseReviewItem:
    """Remove the lock of a reviewer on a conversation of a sample. Safe to repeat."""

    sample_id: str
    reviewer: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send a message to every other API process that shares the writer, in the order of its commits. It is not stored."""

    message: bytes


@dataclass(slots=True)
class UnreadableRequest:
    """A request that did not reach the writer as it was sent; it gets an error.

    `is_one_of_several`: they were sent together. It may be the fault of another, so each is sent again, alone.
    """

    reason: str
    is_one_of_several: bool = False


WriterRequest = (
    Append
    | Broadcast
    | ClaimReviewItem
    | DeferredAppend
    | Execute
    | RecordPresence
    | ReleaseReviewItem
    | RunTimers
    | UnreadableRequest
)


def expected_events(request: WriterRequest) -> int:
    """Return how many events a request is expected to have."""
    match request:
        case Append(events=events):
            return len(events)
        case DeferredAppend(event_count=count):
            return count
    return 0


class Acknowledgement(Struct, kw_only=True, omit_defaults=True):
    """The result of one event. `accepted` and `duplicate` say that it is on disk.

    `parked` says so too: it waits for the message it refers to, and gets its sequence then.
    """

    status: Status
    event_id: str | None
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    error: IngestError | None = None
