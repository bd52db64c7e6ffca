"""The objects of Slack's Events API, as far as an adapter reads them.

https://docs.slack.dev/reference/events/message
"""

from typing import Any

from msgspec import Raw, Struct


class Envelope(Struct, frozen=True, kw_only=True):
    """The call around an event."""

    event: Raw
    team_id: str | None = None
    event_id: str | None = None
    event_ts: str | None = None


class File(Struct, frozen=True):
    """A file of a message. Reading its URL needs the bot token."""

    name: str | None = None
    mimetype: str | None = None
    size: int | None = None
    url_private_download: str | None = None
    url_private: str | None = None


class Bot(Struct, frozen=True):
    """The app behind a bot's message."""

    name: str | None = None


class Metadata(Struct, frozen=True):
    """What the sender of a message attached to it."""

    event_type: str | None = None
    event_payload: dict[str, Any] = {}


class Message(Struct, frozen=True, kw_only=True):
    """The events `message` and `app_mention`, and the message inside `message_changed`."""

    channel: str = ""
    channel_type: str | None = None
    subtype: str | None = None
    user: str | None = None
    bot_id: str | None = None
    bot_profile: Bot | None = None
    username: str | None = None
    text: str | None = None
    ts: str = ""
    event_ts: str | None = None
    thread_ts: str | None = None
    deleted_ts: str | None = None
    edited: dict[str, Any] | None = None
    files: list[File] | None = None
    blocks: list[Any] | None = None
    attachments: list[Any] | None = None
    metadata: Metadata | None = None
    message: "Message | None" = None
    previous_message: "Message | None" = None


class ReactionTarget(Struct, frozen=True):
    """What a reaction is on: a message, or a file."""

    type: str = "message"
    channel: str = ""
    ts: str = ""


class Reaction(Struct, frozen=True, kw_only=True):
    """The events `reaction_added` and `reaction_removed`."""

    type: str
    reaction: str
    user: str
    item: ReactionTarget
    event_ts: str | None = None


class Kind(Struct, frozen=True):
    """The part of an event that says how to read the rest."""

    type: str
    subtype: str | None = None
