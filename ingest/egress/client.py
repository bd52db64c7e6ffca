"""One request to a URL that a user configured: checked, limited in time and size.

The client checks every address that the name resolves to, at each attempt, and connects to a checked one:
DNS rebinding gains nothing. It follows no redirect, stores no cookie and uses no proxy of the
environment. It reads at most 64 KiB of a response, 256 KiB where the response matters, or a file up to a size.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlsplit

import httpcore2
from msgspec import Struct

from ingest.egress.connections import Connections
from ingest.egress.ssrf import Network, is_allowed, is_in_networks

REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 5.0
MAX_DRAINED_BYTES = 64 * 1024
MAX_RESPONSE_BYTES = 256 * 1024
"""Maximum size of a response that matters: the size of an event."""

DRAIN_SECONDS = 1.0
HTTPS_PORT = 443
"""Scheme and port that public addresses must have. Other ports and plain http need `allowed` networks."""


class ForbiddenAddressError(Exception):
    """The address may not be called. The message names the rule, never the resolved address."""


class ResponseTooLargeError(ValueError):
    """The response is larger than the maximum; the rest is not read."""


TOO_LARGE = ResponseTooLargeError.__name__
FORBIDDEN = "forbidden: "
"""What `EgressResult.error` is, or begins with, when another attempt would fail as well."""

Method = Literal["POST", "GET", "PUT", "DELETE"]


class EgressResult(Struct, frozen=True):
    """The result of a request: a status, or an `error` of this client; `seconds` it took.

    `headers` are lower case; `body` is empty if only the status mattered.
    """

    status: int | None
    error: str | None
    seconds: float
    retry_after: int | None = None
    """Retry-After in seconds."""

    headers: Mapping[str, str] = {}
    body: bytes = b""
    is_unsent: bool = False
    """Whether there was no connection, so that the receiver has certainly read nothing."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str, *, allows_http: bool) -> None:
    """Raise ForbiddenAddressError if no request to this URL is ever allowed, whatever its name resolves to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenAddressError("this is no address") from None
    if parts.scheme != "https" and not (allows_http and parts.scheme == "http"):
        raise ForbiddenAddressError("an address begins with https://")
    if not url.isascii() or any(each <= " " for each in url):
        raise ForbiddenAddressError("an address is ASCII; write other names as xn--…")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ForbiddenAddressError("an address has a host, and neither user nor password")
    if port is not None and port != HTTPS_PORT and not allows_http:
        raise ForbiddenAddressError("an address has port 443, or names none")


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises OSError, UnicodeError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


Headers = list[tuple[bytes, bytes]]
Read = Callable[[httpcore2.Response], Awaitable[bytes]]
"""Reads a response, and returns what the caller needs of it."""


class SsrfSafeNetwork(httpcore2.AsyncNetworkBackend):
    """A network backend that connects to public addresses and to those in `allowed` only."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        """Allow private networks that the operator trusts."""
        self._allowed = allowed
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to `host`. Raises ForbiddenAddressError."""
        try:
            addresses = await resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name is not known") from error
        if not addresses or not all(self._may_call(each, port) for each in addresses):
            raise ForbiddenAddressError("the name leads into a network that may not be called")
        failure: Exception = httpcore2.ConnectError("no address answers")
        for each in addresses:
            try:
                return await self._real.connect_tcp(
                    each, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _may_call(self, address: str, port: int) -> bool:
        """Return whether the URL is public https, or any port of an allowed address."""
        if port != HTTPS_PORT and not is_in_networks(address, self._allowed):
            return False
        return is_allowed(address, self._allowed)


class EgressClient:
    """Sends requests. Close it at the end."""

    def __init__(self, allowed: Sequence[Network] = (), seconds: float = REQUEST_SECONDS) -> None:
        """Send with a time-out for a whole request; `allowed`: private networks that may be called."""
        self.allowed = allowed
        self._allows_http = bool(allowed)
        self._seconds = seconds
        self._connections = Connections(SsrfSafeNetwork(allowed))

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    def validate_url(self, url: str) -> None:
        """Raise ForbiddenAddressError if no request to this URL is ever allowed."""
        check_url(url, allows_http=self._allows_http)

    async def send(
        self, url: str, headers: Headers, body: bytes, method: Method = "POST"
    ) -> EgressResult:
        """Send `body`; only the status matters. Never raises for the behaviour of a receiver."""
        return await self._attempt(method, url, headers, body, self._seconds, _drain)

    async def request(
        self,
        url: str,
        headers: Headers,
        body: bytes,
        seconds: float | None = None,
        method: Method = "POST",
    ) -> EgressResult:
        """Send `body` and read the response, at most 256 KiB, within `seconds`.

        Never raises for the behaviour of a receiver.
        """
        seconds = self._seconds if seconds is None else seconds
        return await self._attempt(method, url, headers, body, seconds, _read_body)

    async def fetch(self, url: str, max_bytes: int, seconds: float) -> EgressResult:
        """Return what a GET of `url` gives within `seconds`. A larger response is the error `TOO_LARGE`.

        Never raises for the behaviour of a server.
        """

        async def read(answer: httpcore2.Response) -> bytes:
            return await _read(answer, max_bytes)

        headers = [(b"accept", b"*/*"), (b"accept-encoding", b"identity")]
        return await self._attempt("GET", url, headers, b"", seconds, read)

    async def _attempt(
        self, method: Method, url: str, headers: Headers, body: bytes, seconds: float, read: Read
    ) -> EgressResult:
        started = time.monotonic()
        is_unsent = False
        try:
            self.validate_url(url)
            async with asyncio.timeout(seconds):
                answer, content = await self._call(method, url, headers, body, seconds, read)
        except ForbiddenAddressError as error:
            failure, is_unsent = f"{FORBIDDEN}{error}", True
        except TimeoutError:
            failure = "timeout"
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            failure, is_unsent = type(error).__name__, True
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
        ) as error:
            failure = type(error).__name__
        except (OSError, UnicodeError, ValueError) as error:
            failure = type(error).__name__
        else:
            return _result(answer, content, time.monotonic() - started)
        return EgressResult(None, failure, time.monotonic() - started, is_unsent=is_unsent)

    async def _call(
        self, method: Method, url: str, headers: Headers, body: bytes, seconds: float, read: Read
    ) -> tuple[httpcore2.Response, bytes]:
        given = {name.lower() for name, _ in headers}
        defaults = [
            (b"host", urlsplit(url).netloc.encode()),
            (b"content-type", b"application/json"),
            (b"user-agent", b"Convolake"),
            (b"content-length", str(len(body)).encode()),
        ]
        named = [*(each for each in defaults if each[0] not in given), *headers]
        timeouts = {"connect": CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds}
        request = httpcore2.Request(
            method, url, headers=named, content=body, extensions={"timeout": timeouts}
        )
        async with self._connections.stream(request) as answer:
            return answer, await read(answer)


def _result(answer: httpcore2.Response, content: bytes, seconds: float) -> EgressResult:
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
    }
    retry_after = _seconds(headers.get("retry-after", ""))
    return EgressResult(answer.status, None, seconds, retry_after, headers, content)


async def _drain(answer: httpcore2.Response) -> bytes:
    """Drain the response, so that the connection can be used again. Only the status matters."""
    with suppress(
        TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError, ResponseTooLargeError
    ):
        async with asyncio.timeout(DRAIN_SECONDS):
            await _read(answer, MAX_DRAINED_BYTES)
    return b""


async def _read_body(answer: httpcore2.Response) -> bytes:
    """Return the response body. Raises ResponseTooLargeError."""
    return await _read(answer, MAX_RESPONSE_BYTES)


async def _read(answer: httpcore2.Response, most: int) -> bytes:
    content = bytearray()
    async for piece in answer.aiter_stream():
        content += piece
        if len(content) > most:
            raise ResponseTooLargeError
    return bytes(content)


def _seconds(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
