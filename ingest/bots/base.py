"""The seam of bot loggers: a record that a framework wrote, as events. Pure.

The route `POST /v1/bots/{framework}` and the importers read records with the same loggers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import Struct

from ingest.bots.bot_event import BotEvent, Conversation
from ingest.bots.chat_history import KnownMessage


class Unreadable(Struct, frozen=True):
    """A part of a record that cannot be read, where it is in the record, and why."""

    part: str
    reason: str


class Unused(Struct, frozen=True):
    """A part of a record that is no event, and why."""

    reason: str


Part = BotEvent | Unreadable | Unused


def no_messages(_: Conversation) -> Iterable[KnownMessage]:
    """Return the known messages of a conversation where there is no store: none."""
    return ()


@dataclass(frozen=True)
class Surroundings:
    """What records do not say.

    `known`: the stored messages of a conversation, oldest first. `conversation_id`: of records that name no
    conversation.
    """

    known: Callable[[Conversation], Iterable[KnownMessage]] = no_messages
    conversation_id: str | None = None


Reader = Callable[[Any], Iterator[Part]]
"""Yields the parts of one record, in order; it may remember earlier records.

Raises UnreadableRecordError if the record is none of its framework.
"""


class BotLogger(Protocol):
    """Reads the records of one framework. Ids of its events are derived from the records."""

    name: str
    """Its path: `/v1/bots/NAME`."""

    title: str
    """The framework's name for people."""

    example: Mapping[str, Any]
    """A record, for the API page."""

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader of the records of one file or one request."""
