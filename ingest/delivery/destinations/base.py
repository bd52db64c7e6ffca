"""The seam between the dispatcher and the places where it sends events.

A destination says which events it wants, in which order, as which request, and what a response means. It
sends nothing itself. The dispatcher owns cursor, queue, retries, circuit breaker and dead letters.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from sqlalchemy import ClauseElement, ColumnElement, RowMapping

from ingest.contract import Cursor
from ingest.egress.client import EgressResult, Headers


class Request(Struct, frozen=True):
    """A prepared HTTP POST."""

    url: str
    headers: Headers
    body: bytes


class Skip(Struct, frozen=True):
    """The event is not sent, and counts as done."""

    reason: str


class Delivered(Struct, frozen=True):
    """The destination accepted the event."""


class Retry(Struct, frozen=True):
    """The attempt failed; another one may succeed. `retry_after`: seconds that the destination asks for."""

    reason: str
    retry_after: int | None = None


class Rejected(Struct, frozen=True):
    """The destination will never accept this event: it becomes a dead letter at once."""

    reason: str


class Disabled(Struct, frozen=True):
    """The destination wants no more events. The event stays in the queue."""

    reason: str


Interpretation = Delivered | Retry | Rejected | Disabled


class Destination(Protocol):
    """One destination. Every method gives the same result for the same arguments and state."""

    kind: str
    """First part of the delivery events' types, such as `webhook`."""

    destination_id: str
    cursor: Cursor
    is_enabled: bool

    def wants(self, event: RowMapping) -> bool:
        """Return whether the destination receives this event. May read the store."""

    def ordering_key(self, event: Mapping[str, object] | RowMapping) -> str:
        """Return the key within which events go out in order."""

    def prepare(self, event: RowMapping, attempt: int) -> Request | Skip | Retry:
        """Build the request for an attempt, counted from 1. May read the store. Retry: it cannot be built now."""

    def interpret(self, result: EgressResult) -> Interpretation:
        """Return what a response, or the failure to get one, means."""


class DestinationRegistry(Protocol):
    """Where the dispatcher finds its destinations. Statements run in the writer's next commit."""

    def list_destinations(self) -> Sequence[Destination]:
        """Return every destination."""

    def get_destination(self, destination_id: str) -> Destination | None:
        """Return a destination, or None."""

    def exists(self, destination_id: str) -> ColumnElement[bool]:
        """Return the condition that a destination was not deleted, for the delivery queue."""

    def save_cursor(self, destination_id: str, cursor: Cursor) -> ClauseElement:
        """Return the statement that saves how far the destination has read."""

    def disable(self, destination_id: str, reason: str, now: int) -> ClauseElement:
        """Return the statement that disables a destination."""
