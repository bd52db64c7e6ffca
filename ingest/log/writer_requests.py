"""What goes through the seam between the API and the log, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ingest.errors import IngestError
from ingest.events.draft import Command, Draft

Status = Literal["accepted", "duplicate", "conflict", "rejected", "parked"]


class HookModification(Struct, frozen=True):
    """The text that hooks gave a message instead of its own, and which hooks."""

    text: str
    hook_ids: tuple[str, ...]


class IncomingEvent(Struct):
    """One event as it received: its bytes, and what the door could make of them.

    Either `draft` is there, or the `error` for which the door refused it. A draft with a
    `command` is refused if the state does not allow it; without one it is a fact. The draft stays
    what was sent, also of what was `modified`: a repeat is recognised by it.
    """

    raw: bytes
    draft: Draft | None = None
    error: IngestError | None = None
    command: Command | None = None
    modified: HookModification | None = None
    is_unasked: bool = False
    """Hooks could not be asked about it, for the log did not know the conversation or who speaks."""
    event_id: str | None = None
    """Of what the door refused: the id that its repeat will have."""


@dataclass(slots=True)
class Append:
    """The events of one request. `path` is where they came in, and where a replay goes again.

    `came` was counted at the door before anything was parsed; the log compares it with what
    became of the arrivals. `replays` is the rejected event that this tries again. With `channels`
    the conversations of all others do not exist for it.
    """

    source: str
    path: str
    received: int
    events: Sequence[IncomingEvent]
    replay_of: int | None = None
    channels: frozenset[str] = frozenset()


class Acknowledgement(Struct, kw_only=True, omit_defaults=True):
    """What became of one event. `accepted` and `duplicate` say that it is on disk.

    `parked` says so too: it waits for the message it speaks of, and gets its sequence then.
    """

    status: Status
    event_id: str | None
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    error: IngestError | None = None
