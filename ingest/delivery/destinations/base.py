"""The seam between the dispatcher and the places where it sends events.

A destination says which events it wants, in which order, as which requests, and what a response means. It
sends nothing itself. The dispatcher owns cursor, queue, retries, circuit breaker, rate and dead letters.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from sqlalchemy import ClauseElement, ColumnElement, RowMapping

from ingest.contract import Cursor
from ingest.egress.client import EgressResult, Headers, Method
from ingest.egress.mail import MailServer
from ingest.log.storage.statements import Bound
from ingest.log.writer_requests import IncomingEvent


class Request(Struct, frozen=True):
    """A prepared HTTP request. `needs_body`: what the answer means depends on its body."""

    url: str
    headers: Headers
    body: bytes
    method: Method = "POST"
    needs_body: bool = False


class Mail(Struct, frozen=True):
    """A prepared mail: the server that takes it, the envelope, and the content with its headers."""

    server: MailServer
    sender: str
    recipients: Sequence[str]
    content: bytes


class Fetch(Struct, frozen=True):
    """A request that needs files: `build` makes the next step of what their URLs gave, in order, up to a failure.

    Neither fetching nor building sends anything, so both may be repeated.
    """

    urls: Sequence[str]
    build: Callable[[Sequence[EgressResult]], "Step"]


class Upload(Struct, frozen=True):
    """A file that the destination stores before the message: `then` makes the next step of the answer.

    It sends nothing either.
    """

    request: Request
    then: Callable[[EgressResult], "Step"]


class Skip(Struct, frozen=True):
    """The event is not sent, and counts as done."""

    reason: str


class Delivered(Struct, frozen=True):
    """The destination accepted the event. `provider_id`: its name for what it accepted."""

    provider_id: str | None = None


class Retry(Struct, frozen=True):
    """The attempt failed; another one may succeed. `retry_after`: seconds that the destination asks for.

    `is_throttled`: it asks for a pause of everything that goes to it.
    """

    reason: str
    retry_after: int | None = None
    is_throttled: bool = False


class Rejected(Struct, frozen=True):
    """The destination will never accept this event: it becomes a dead letter at once."""

    reason: str
    code: str | None = None


class Disabled(Struct, frozen=True):
    """The destination wants no more events. The event stays in the queue."""

    reason: str


class Unknown(Struct, frozen=True):
    """The destination may have accepted the event. It is not sent again, and counts as done."""

    reason: str


Prepared = Request | Mail | Fetch | Upload
"""How one request goes out, with the steps before it."""

Step = Prepared | Retry | Rejected
"""What follows a step, or why nothing does."""

Interpretation = Delivered | Retry | Rejected | Disabled | Unknown


class Record(Struct, frozen=True):
    """What one commit of the log has to hold: statements, and events to append."""

    statements: Sequence[ClauseElement | Bound] = ()
    events: Sequence[IncomingEvent] = ()


class Journal(Protocol):
    """What the store keeps of the sends of one event, so that a crash leaves none in doubt unnoticed.

    Every method gives the same record for the same arguments: a commit may be repeated.
    """

    def begin(self, part: int) -> Record:
        """Return what to commit before a part, counted from 0, goes out."""

    def end(self, part: int, outcome: Interpretation) -> Record:
        """Return what to commit with the outcome of a part. A last Retry is passed as Rejected."""


class Send(Struct, frozen=True):
    """An event as requests, in order: each goes out after the one before it was accepted.

    `first`: the number of the first request; the parts before it were accepted. `verdict`: the outcome
    that is certain without a request. The journal replaces the delivery events of the other destinations.
    """

    journal: Journal
    requests: Sequence[Prepared] = ()
    first: int = 0
    verdict: Interpretation | None = None


class Destination(Protocol):
    """One destination. Every method gives the same result for the same arguments and state."""

    kind: str
    """First part of the delivery events' types, such as `webhook`."""

    destination_id: str
    cursor: Cursor
    is_enabled: bool

    @property
    def requests_per_second(self) -> float | None:
        """The rate that its requests keep to; None: no limit."""

    @property
    def parallel_keys(self) -> int:
        """Maximum ordering keys that are delivered in parallel."""

    @property
    def unrecorded_events(self) -> int | None:
        """Maximum events that go out before it is recorded that they did. None: a journal records each send."""

    def wants(self, event: RowMapping) -> bool:
        """Return whether the destination receives this event. May read the store."""

    def load(self, events: Sequence[RowMapping]) -> None:
        """Read at once what `prepare` needs of several events that this destination wants. May read the store."""

    def is_loaded(self, event: RowMapping) -> bool:
        """Return whether `prepare` needs nothing more of the store, and so no thread of its own."""

    def ordering_key(self, event: Mapping[str, object] | RowMapping) -> str:
        """Return the key within which events go out in order."""

    def prepare(self, event: RowMapping, attempt: int) -> Request | Send | Skip | Retry:
        """Build the requests for an attempt, counted from 1. May read the store. Retry: they cannot be built now."""

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
