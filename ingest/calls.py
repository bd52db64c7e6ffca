"""Calls of the conversation API: what to send, how to read the answer, when to try again.

Knows nothing of sockets and never waits, so that every client, blocking or not, shares it.

ClientError
├── ProblemError            the API answered, and said no
├── UnreachableError        nothing answered; what was sent may or may not be on disk
└── UnexpectedAnswerError   something answered that is not the conversation API
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from msgspec import Struct
from websockets.exceptions import InvalidURI, WebSocketException

from ingest.contract import Role, Visibility

BATCH_EVENTS = 10_000
BATCH_BYTES = 8 * 1024 * 1024
"""What the API takes in one request; more is sent as several."""

LONGEST_PAUSE = 60.0
"""Seconds. A server that asks for more patience than this is reported instead of waited for."""

PAGE_ITEMS = 100

T = TypeVar("T")


class Problem(Struct, kw_only=True):
    """Why something was refused (RFC 9457); `code` is stable, `field` is the place of the fault."""

    status: int
    code: str
    detail: str
    title: str = ""
    field: str | None = None


class Acknowledgement(Struct, kw_only=True):
    """What became of one event. `accepted` and `duplicate` say that it is on disk."""

    status: Literal["accepted", "duplicate", "conflict", "rejected", "parked"]
    event_id: str | None = None
    conversation_id: str | None = None
    sequence: int | None = None
    session_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    error: Problem | None = None


class BatchResult(Struct, kw_only=True):
    """How many events of a batch became what, and an acknowledgement for each, in the order sent."""

    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    parked: int = 0
    results: list[Acknowledgement]


class Participant(Struct, kw_only=True, omit_defaults=True):
    """Somebody in a conversation; `contact_id` is known when opening one, and not listed later."""

    participant_id: str
    participant_role: Role
    contact_id: str | None = None


class Control(Struct, kw_only=True):
    """Who may speak: bot, human or none. A bot's message carries the epoch it saw."""

    owner: str
    epoch: int
    participant_id: str | None = None


class Handoff(Struct, kw_only=True):
    """The handoff under way: requested, queued, assigned or accepted."""

    handoff_id: str
    status: str
    reason: str | None = None
    queue: str | None = None
    participant_id: str | None = None


class Conversation(Struct, kw_only=True):
    """A conversation as it stands; `state` is active, inactive, resolved or closed."""

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


class Tally(Struct, kw_only=True):
    """Counts of one source; came = accepted + duplicate + conflict + rejected + parked."""

    source: str
    came: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    generated: int
    parked: int = 0


class Accounting(Struct, kw_only=True):
    """All counts; stored = accepted + generated over all sources."""

    stored: int
    sources: list[Tally]


class RejectedEvent(Struct, kw_only=True):
    """An event that was refused: where it came in, its first 256 KiB, and the reason."""

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
    """Some items; `cursor` leads to the next page and is None on the last."""

    items: list[T]
    cursor: str | None


class ClientError(Exception):
    """Base of all; `is_retryable` says that the same call may succeed later."""

    is_retryable = False
    retry_after: float | None = None


class ProblemError(ClientError):
    """The API refused the call. `status`, `code`, `detail` and `field` are those of its answer.

    408, 429 and 503 are raised only after the retries: nothing of the last try was stored.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        """`retry_after` is in seconds, None if the server did not say."""
        place = f" (at {problem.field})" if problem.field else ""
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}{place}")
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.field = problem.field
        self.retry_after = retry_after
        self.is_retryable = problem.status in (408, 429, 503)


_PASSING = (httpx2.TransportError, httpx2.DecodingError, OSError, EOFError, WebSocketException)


class UnreachableError(ClientError):
    """No answer came. Make the call again with the same ids: it cannot leave a second event."""

    def __init__(self, url: str, error: Exception) -> None:
        """`error` is what the connection said; a URL that is none is not worth a retry."""
        self.url = url
        self.is_retryable = isinstance(error, _PASSING)
        self.is_retryable &= not isinstance(error, httpx2.UnsupportedProtocol | InvalidURI)
        reason = str(error) or type(error).__name__
        super().__init__(
            f"no answer from {url} ({reason}). Is the API running there? "
            "`convolake serve` starts it, CONVOLAKE_API_URL says where to look."
        )


class UnexpectedAnswerError(ClientError):
    """What answered does not speak as the conversation API does; the address may be wrong."""

    def __init__(self, url: str, status: int) -> None:
        """`url` is what was asked, `status` the HTTP status of the answer."""
        self.url = url
        self.status = status
        super().__init__(
            f"{url} answered {status}, but not as a conversation API. Is the URL right?"
        )


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request of the API, whoever sends it, and the type of its answer."""

    method: str
    path: str
    answer: type[T]
    content: bytes | None = None
    content_type: str = "application/json"
    params: Mapping[str, str] = field(default_factory=dict)


READY = Call("GET", "/readyz", dict[str, str])


def conversation_call(given: Mapping[str, Any], new_id: Callable[[], str]) -> Call[Acknowledgement]:
    """Open a conversation. Both ids must be the client's own, or a retry would open another."""
    ids = {"conversation_id": new_id(), "event_id": new_id()}
    return Call("POST", "/v1/conversations", Acknowledgement, _encode(ids | _present(given)))


def message_call(
    conversation_id: str, given: Mapping[str, Any], new_id: Callable[[], str]
) -> Call[Acknowledgement]:
    """Post a message."""
    body = _encode({"event_id": new_id()} | _present(given))
    return Call("POST", messages_path(conversation_id), Acknowledgement, body)


def event_calls(
    events: Iterable[Mapping[str, Any]], batch: int, new_id: Callable[[], str]
) -> Iterator[tuple[Call[BatchResult], int]]:
    """Record events: a call for as many as one request may carry, with their number."""
    lines = (_encode({"event_id": new_id()} | _present(event)) for event in events)
    for part in _parts(lines, min(batch, BATCH_EVENTS), BATCH_BYTES):
        content = b"\n".join(part)
        yield Call("POST", "/v1/events", BatchResult, content, "application/x-ndjson"), len(part)


def page_call(
    path: str, kind: type[T], cursor: str | None, params: Mapping[str, str]
) -> Call[Page[T]]:
    """One page of what `path` lists; `cursor` is that of the page before."""
    place = {"cursor": cursor} if cursor else {}
    return Call("GET", path, Page[kind], params={"limit": str(PAGE_ITEMS), **params, **place})  # type: ignore[valid-type]


def conversation_path(conversation_id: str) -> str:
    """Where a conversation is."""
    return f"/v1/conversations/{quote(conversation_id, safe='')}"


def messages_path(conversation_id: str) -> str:
    """Where the messages of a conversation are posted and listed."""
    return f"{conversation_path(conversation_id)}/messages"


def _parts(lines: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and (len(part) >= most or size + len(line) + 1 > most_bytes):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part


def _present(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


_encode = msgspec.json.encode


def read_answer(call: Call[T], response: httpx2.Response) -> T:
    """What the API said. Raises ProblemError, UnexpectedAnswerError."""
    if response.is_success:
        return _decode(response, call.answer)
    problem = _decode(response, Problem) if "problem" in _media_type(response) else _bare(response)
    raise ProblemError(problem, retry_after(response))


def _decode(response: httpx2.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswerError(str(response.url), response.status_code) from error


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "")


def _bare(response: httpx2.Response) -> Problem:
    """A refusal by something between us and the API, or by `/readyz`."""
    status = response.status_code
    return Problem(status=status, code=f"http_{status}", detail=response.text[:200] or "no detail")


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds that the server asks us to wait; a date counts from the server's own `Date`."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def pause_before_retry(failure: ClientError, attempt: int, jitter: float) -> float | None:
    """Seconds until the next try, None if it is of no use. `attempt` counts from 0.

    Never earlier than the server asks. `jitter` (0 to 1) keeps clients that failed together
    from coming back together.
    """
    asked = failure.retry_after or 0.0
    if not failure.is_retryable or asked > LONGEST_PAUSE:
        return None
    backoff = min(10.0, 0.2 * 2.0**attempt)
    return asked + backoff * (0.5 + jitter / 2)
