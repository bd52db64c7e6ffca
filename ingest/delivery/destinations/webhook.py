"""Webhooks as a destination."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    RowMapping,
)

from ingest.egress import signing
from ingest.events.types import EVENT_TYPES

DELIVERED_STREAMS = ("conversation", "contact")
"""What can be delivered."""


class Webhook(Struct, frozen=True):
    """Who is told. No `event_types`: every one of the conversation stream; no `channels`: every one."""

    webhook_id: str
    source: str
    url: str
    event_types: frozenset[str]
    channels: frozenset[str]
    bot_id: str | None
    secret: str
    old_secret: str | None
    old_secret_until: int | None
    created_at: int
    position: int
    disabled_at: int | None
    disabled_reason: str | None
    watchdog_position: int | None = None

    def keys(self, now: int) -> list[str]:
        """The secrets that a delivery is signed with: two while they are changed."""
        return signing.active_secrets(self.secret, self.old_secret, self.old_secret_until, now)

    def wants(self, row: RowMapping, channel_of: Callable[[str | None], str | None]) -> bool:
        """Whether it is told of this event. Nobody is told of deliveries, or what their bot did.

        Of contacts only who asks for them by name is told.
        """
        kind = EVENT_TYPES.get(row["event_type"])
        if (
            kind is not None
            and kind.stream not in DELIVERED_STREAMS[: 2 if self.event_types else 1]
        ):
            return False
        if self.event_types and not self.event_types & _names(row["event_type"]):
            return False
        if self.channels and channel_of(row["conversation_id"]) not in self.channels:
            return False
        return self.bot_id is None or row["participant_id"] != self.bot_id


HISTORY_AGE = 24 * 3_600_000_000
"""What was that old when it came is history: nobody waits for an answer to it."""


def expects_bot_reply(hook: Webhook, row: RowMapping) -> bool:
    """Whether with this event a customer waits for the bot of this webhook.

    What was said before the webhook was made it may be told of, but nobody counted on it.
    """
    return (
        hook.bot_id is not None
        and row["event_type"] == "message.created"
        and row["participant_role"] == "customer"
        and row["visibility"] == "public"
        and row["committed_at"] - row["happened_at"] < HISTORY_AGE
        and row["committed_at"] >= hook.created_at
    )


def _names(event_type: str) -> set[str]:
    """How a filter may name it: `message.created`, or all of its kind, `message.*`."""
    return {event_type, event_type.partition(".")[0] + ".*"}


def ordering_key(row: Mapping[str, Any] | RowMapping) -> str:
    """What an event keeps its order within: its conversation, else its contact."""
    return str(row["conversation_id"] or row["contact_id"] or "")
