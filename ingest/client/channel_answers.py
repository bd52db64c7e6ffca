"""Channel accounts, as clients receive them. Unknown fields are ignored."""

from datetime import datetime
from typing import Any

from msgspec import Struct


class ChannelAccount(Struct):
    """A number, page or inbox. `secrets`: how many values each has; None if no key decrypts them."""

    account_id: str
    provider: str
    channel: str
    address: str
    url: str
    options: dict[str, str]
    secrets: dict[str, int] | None
    policy: dict[str, Any]
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None


class ChannelCall(Struct):
    """A verified call of a provider, and how many events it became."""

    call_id: str
    received_at: datetime
    size: int
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    waiting: int = 0
    reasons: list[str] = []


class Refusals(Struct):
    """How many calls were not verified for one reason."""

    reason: str
    calls: int
    last_at: datetime


class ChannelCallList(Struct):
    """The newest calls of an account, newest first, and why others were not verified."""

    items: list[ChannelCall]
    unverified: list[Refusals]


class ChannelSend(Struct):
    """One part of a message that an account sends. `state`: sending, waiting, sent, failed or unknown."""

    shard: int
    position: int
    part: int
    parts: int
    conversation_id: str
    message_id: str
    state: str
    attempt: int
    at: datetime
    provider_id: str | None = None
    code: str | None = None
    reason: str | None = None


class ChannelSendList(Struct):
    """A page of sends; `cursor` is the `after` of the next page."""

    items: list[ChannelSend]
    cursor: str
