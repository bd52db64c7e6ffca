"""Responses of the conversation API. Unknown fields are ignored."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from ingest.contract import Role, Visibility

T = TypeVar("T")


class Problem(Struct, kw_only=True):
    """Why a request was rejected (RFC 9457); `code` is stable, `field` is the place of the fault."""

    status: int
    code: str
    detail: str
    title: str = ""
    field: str | None = None
    retryable: bool = False


class Acknowledgement(Struct, kw_only=True):
    """The result of one event. `accepted` and `duplicate` say that it is on disk."""

    status: Literal["accepted", "duplicate", "conflict", "rejected", "parked"]
    event_id: str | None = None
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    error: Problem | None = None


class BatchResult(Struct, kw_only=True):
    """The numbers of events of a batch by result, and an acknowledgement for each event, in the order sent."""

    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    parked: int = 0
    results: list[Acknowledgement]


class Participant(Struct, kw_only=True, omit_defaults=True):
    """A participant of a conversation; `contact_id` is for creating one, and is not listed later."""

    participant_id: str
    participant_role: Role
    contact_id: str | None = None


class Control(Struct, kw_only=True):
    """The owner of control: bot, human or none. A bot's message has the epoch it saw."""

    owner: str
    epoch: int
    participant_id: str | None = None


class Handoff(Struct, kw_only=True):
    """The open handoff: requested, queued, assigned or accepted."""

    handoff_id: str
    status: str
    requested_at: datetime
    reason: str | None = None
    queue: str | None = None
    participant_id: str | None = None


class Conversation(Struct, kw_only=True):
    """A conversation in its current state; `state` is active, inactive, resolved or closed."""

    conversation_id: str
    state: str
    channel: str
    channel_account: str | None
    contact_id: str | None
    is_test: bool
    created_at: datetime
    latest_at: datetime
    last_sequence: int
    message_count: int
    session_id: str | None
    participants: list[Participant]
    control: Control
    handoff: Handoff | None = None
    version: int = 0
    successor_id: str | None = None


class Message(Struct, kw_only=True):
    """A message in its place in the conversation."""

    conversation_id: str
    sequence: int
    session_id: str
    message_id: str
    event_id: str
    participant_id: str
    participant_role: Role
    channel: str | None
    in_reply_to: str | None
    bot_version: str | None
    visibility: Visibility
    text: str | None
    payload: dict[str, Any] | None
    occurred_at: datetime | None
    received_at: datetime
    happened_at: datetime


class Typist(Struct, kw_only=True):
    """A participant who is typing, and until when."""

    participant_id: str
    until: datetime


class TypingList(Struct, kw_only=True):
    """Everyone who is typing."""

    items: list[Typist]


class SourceStats(Struct, kw_only=True):
    """Counters of one source; received = accepted + duplicate + conflict + rejected + parked."""

    source: str
    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    generated: int
    parked: int = 0


class IngestStats(Struct, kw_only=True):
    """All counters; stored = accepted + generated over all sources."""

    stored: int
    head: str
    sources: list[SourceStats]


class Readiness(Struct, kw_only=True):
    """Whether the log accepts events; `detail` says why not, or that stored states were damaged."""

    status: str
    detail: str | None = None


class RejectedEvent(Struct, kw_only=True):
    """A rejected event: its route, its first 256 KiB, and the reason."""

    rejected_id: int
    received_at: datetime
    source: str
    path: str
    code: str
    detail: str
    field: str | None
    size: int
    raw: str
    replayed_at: datetime | None
    replayed_event_id: str | None


class Page(Struct, Generic[T]):
    """A page of items; `cursor` leads to the next page and is None on the last."""

    items: list[T]
    cursor: str | None = None
