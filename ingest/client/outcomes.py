"""The outcome of a call: its response, or a ClientError.

ClientError
├── ProblemError            the API rejected the request
├── UnreachableError        no response; the request may or may not be on disk
└── UnexpectedAnswerError   the response is not from the conversation API
"""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2
import msgspec
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from ingest.client.answers import Problem
from ingest.client.call import Call

T = TypeVar("T")


class ClientError(Exception):
    """Base of all client errors; with `is_retryable` the same call may succeed later."""

    is_retryable = False
    retry_after: float | None = None


PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses of temporary errors, also from a gateway; ids make a retry safe."""


class ProblemError(ClientError):
    """The API rejected the call. `status`, `code`, `detail` and `field` are those of its response.

    A temporary error is raised only after the retries.
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
        self.is_retryable = problem.retryable or problem.status in PASSING


_PASSING = (httpx2.TransportError, httpx2.DecodingError, OSError, EOFError, WebSocketException)


class UnreachableError(ClientError):
    """No response arrived. Repeat the call with the same ids: it cannot leave a second event."""

    def __init__(self, url: str, error: Exception) -> None:
        """`error` is the connection's error; an invalid URL is not retryable."""
        self.url = url
        self.is_retryable = isinstance(error, _PASSING)
        self.is_retryable &= not isinstance(error, httpx2.UnsupportedProtocol | InvalidURI)
        reason = str(error) or type(error).__name__
        super().__init__(
            f"no answer from {url} ({reason}). Is the API running there? "
            "`convolake serve` starts it, CONVOLAKE_API_URL sets its address."
        )


class UnexpectedAnswerError(ClientError):
    """The response is not from the conversation API; the URL may be wrong."""

    def __init__(self, url: str, status: int) -> None:
        """`url` is the requested URL, `status` the HTTP status of the response."""
        self.url = url
        self.status = status
        super().__init__(
            f"{url} answered {status}, but not as a conversation API. Is the URL right?"
        )


@contextmanager
def request_failures(url: str) -> Iterator[None]:
    """Raise the client error for a request without a response."""
    try:
        yield
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise UnreachableError(url, error) from error


@contextmanager
def socket_failures(url: str) -> Iterator[None]:
    """Raise the client error for a socket; a socket that ends is a lost connection too."""
    try:
        yield
    except InvalidStatus as rejected:
        raise _error_of(_answered_instead(url, rejected)) from rejected
    except (OSError, EOFError, WebSocketException) as error:
        raise UnreachableError(url, error) from error
    raise UnreachableError(url, EOFError("the server closed the socket"))


def read_answer(call: Call[T], response: httpx2.Response) -> T:
    """Return the decoded response. Raises ProblemError, UnexpectedAnswerError."""
    if not response.is_success:
        raise _error_of(response)
    answer = _decode(response, call.answer)
    if not call.is_whole(answer):
        raise UnexpectedAnswerError(str(response.url), response.status_code)
    return answer


def _error_of(response: httpx2.Response) -> ClientError:
    if response.is_success:
        return UnexpectedAnswerError(str(response.url), response.status_code)
    problem = _decode(response, Problem) if "problem" in _media_type(response) else _bare(response)
    return ProblemError(problem, retry_after(response))


def _answered_instead(url: str, rejected: InvalidStatus) -> httpx2.Response:
    """Return the response that rejected a WebSocket handshake."""
    return httpx2.Response(
        rejected.response.status_code,
        headers=list(rejected.response.headers.raw_items()),
        content=bytes(rejected.response.body or b""),
        request=httpx2.Request("GET", url),
    )


def _decode(response: httpx2.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswerError(str(response.url), response.status_code) from error


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "")


def _bare(response: httpx2.Response) -> Problem:
    """Return the error for a response of a gateway, or of `/readyz`."""
    status = response.status_code
    return Problem(status=status, code=f"http_{status}", detail=response.text[:200] or "no detail")


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds of Retry-After; a date counts from the server's own `Date`."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None
