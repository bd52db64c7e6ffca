"""State of a conversation and of a message: what their events fold to, and nothing else.

Derived: drop the tables, fold the log again, get the same (`ingest.log.rebuild`). Instants are
microseconds since 1970. Stored as MessagePack arrays, a third of the same in JSON: a field more or
less, or in another place, needs a migration that empties the tables.
"""

from typing import Any

import msgspec
from msgspec import Struct

BOT, HUMAN, NO_OWNER = "bot", "human", "none"
"""Owners of control: who may speak for us."""


class Member(Struct, array_like=True):
    """A participant. Unread is what others said above the horizon, or from `unread_sequence` on."""

    participant_role: str
    contact_id: str | None = None
    attributes: dict[str, Any] = {}
    joined_sequence: int = 0
    read_sequence: int = 0
    unread_sequence: int | None = None


class Control(Struct, array_like=True, frozen=True):
    """Who may speak; the epoch grows with every change, so that a late bot is told apart."""

    owner: str = NO_OWNER
    participant_id: str | None = None
    epoch: int = 1


class Handoff(Struct, array_like=True):
    """The handoff under way: requested, queued, assigned or accepted since `since`."""

    handoff_id: str
    status: str
    requested_at: int
    since: int
    reason: str | None = None
    queue: str | None = None
    participant_id: str | None = None


class Conversation(Struct, array_like=True):
    """State of one conversation. `version` is the sequence of its last change by an editor.

    `spoke_at` is by role; `set_at` is when somebody last set its state or its timers.
    """

    conversation_id: str
    created_position: int
    created_at: int
    channel: str
    channel_account: str | None = None
    contact_id: str | None = None
    is_test: bool = False
    conversation_key: str | None = None
    subject: str | None = None
    attributes: dict[str, Any] = {}
    labels: list[str] = []
    priority: str = "normal"
    state: str = "active"
    last_sequence: int = 0
    version: int = 0
    message_count: int = 0
    latest_at: int = 0
    received_at: int = 0
    last_message_at: dict[str, int] = {}
    last_edited_at: int = 0
    session_id: str | None = None
    session_number: int = 0
    session_started_at: int = 0
    session_attributes: dict[str, Any] = {}
    participants: dict[str, Member] = {}
    control: Control = Control()
    handoff: Handoff | None = None
    inactive_after: int | None = None
    closed_after: int | None = None
    hand_off_on_bot_failure: bool = False
    predecessor_id: str | None = None
    successor_id: str | None = None
    next_timer_at: int | None = None

    def has_role(self, role: str) -> bool:
        """Whether somebody of that role takes part."""
        return any(each.participant_role == role for each in self.participants.values())


decode_conversation = msgspec.msgpack.Decoder(Conversation).decode
"""A conversation as it is stored in `folded`."""


encode_state = msgspec.msgpack.Encoder().encode
"""A state as it is stored in `folded`."""
