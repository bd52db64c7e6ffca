"""The state of a conversation: what its events project to, and nothing else.

Derived: delete the tables, rebuild them from the log, get the same (`ingest.log.rebuild`). Instants are
microseconds since 1970. Stored as MessagePack arrays, a third of the same in JSON: adding, removing or
moving a field needs a migration that empties the tables.
"""

from typing import Any

import msgspec
from msgspec import Struct

from ingest.events.types import WAITING, HandoffStatus

MAX_PARTICIPANTS = 25_000
"""Maximum number of participants of a conversation. Each event writes its state, so it has a bound."""

MAX_LEFT_READERS = 1_000
"""Maximum number of participants who left and of whom it is kept how far they had read: the last ones."""

BOT, HUMAN, NO_OWNER = "bot", "human", "none"
"""Owners of control."""


class Member(Struct, array_like=True):
    """A participant of a conversation.

    Messages of others are unread above `read_sequence`, or from `unread_sequence` on if that is set.
    """

    participant_role: str
    contact_id: str | None = None
    attributes: dict[str, Any] = {}
    joined_sequence: int = 0
    read_sequence: int = 0
    unread_sequence: int | None = None


class Control(Struct, array_like=True, frozen=True):
    """Who may speak. The epoch grows with every change, so that a late bot is recognised."""

    owner: str = NO_OWNER
    participant_id: str | None = None
    epoch: int = 1


class Handoff(Struct, array_like=True):
    """The open handoff. `since`: when its status last changed."""

    handoff_id: str
    status: HandoffStatus
    requested_at: int
    since: int
    reason: str | None = None
    queue: str | None = None
    participant_id: str | None = None


class Conversation(Struct, array_like=True):
    """State of one conversation.

    `version` is the sequence of the last event that changed it for editors. `last_message_at` is by
    role. `last_edited_at` is when a client last set the state or the timers. `customer_channel` and
    `customer_channel_account` are those of the customer's last message. `agent_disconnected_at` is when
    the agent in control closed the last WebSocket, unless they did something since. `left_readers` are
    participants who left, with how far they had read: what was read stays read if they join again.
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
    customer_channel: str | None = None
    customer_channel_account: str | None = None
    agent_disconnected_at: int | None = None
    left_readers: dict[str, Member] = {}

    @property
    def controlling_agent(self) -> str | None:
        """The agent who has control; None if no single one has it."""
        return self.control.participant_id if self.control.owner == HUMAN else None

    @property
    def waiting_since(self) -> int | None:
        """When the handoff that waits for an agent was requested; None if none waits."""
        waits = self.handoff is not None and self.handoff.status in WAITING
        return self.handoff.requested_at if self.handoff is not None and waits else None

    def has_role(self, role: str) -> bool:
        """Return whether a participant has this role."""
        return any(member.participant_role == role for member in self.participants.values())


encode_state = msgspec.msgpack.Encoder().encode
"""Encodes a state of a conversation, a message or a contact for the column `projection`."""
decode_conversation = msgspec.msgpack.Decoder(Conversation).decode
