"""Rate limits: a token bucket for each key, user and visitor.

A bucket holds BURST_SECONDS' worth of requests and fills at the rate of the setting.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

from cachetools import TTLCache
from starlette.types import Send

from ingest.auth.permissions import Caller
from ingest.errors import RateLimitedError

BURST_SECONDS = 10
RATE_LIMIT_STATE = "convolake.rate_limit"
"""Key of the rate limit state in a request's scope."""

MAX_BUCKETS = 100_000
"""Maximum number of buckets in memory. Beyond it, the bucket that was used least recently is dropped."""


class RateLimitState(NamedTuple):
    """The state of a bucket: remaining requests, and seconds until it is full."""

    per_second: int
    remaining: int
    reset_seconds: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the RateLimit fields (IETF draft-ietf-httpapi-ratelimit-headers)."""
        policy = f'"default";q={self.per_second * BURST_SECONDS};w={BURST_SECONDS}'
        state = f'"default";r={self.remaining};t={self.reset_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]


class TokenBuckets:
    """Token buckets by caller, in memory: each process counts its own requests."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._clock = clock
        # A bucket that was not used for BURST_SECONDS is full: it needs no memory.
        self._buckets: TTLCache[str, tuple[float, int]] = TTLCache(
            MAX_BUCKETS, BURST_SECONDS, timer=lambda: clock() / 1_000_000
        )

    def __len__(self) -> int:
        """Return the number of buckets in memory."""
        return len(self._buckets)

    def consume(self, who: str, per_second: int) -> RateLimitState:
        """Take one request from the bucket of `who`. Raises RateLimitedError if it is empty."""
        now = self._clock()
        most = float(per_second * BURST_SECONDS)
        held, at = self._buckets.get(who, (most, now))
        held = min(most, held + max(0, now - at) * per_second / 1_000_000)
        if held < 1:
            raise RateLimitedError(f"at most {per_second} requests a second; send fewer")
        self._buckets[who] = (held - 1, now)
        return RateLimitState(per_second, int(held - 1), int((most - held + 1) / per_second) + 1)


class RateLimiter:
    """The rate limits of this installation, in requests a second; 0: no limit."""

    def __init__(self, per_key: int, per_user: int, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._per_key = per_key
        self._per_user = per_user
        self._limiter = TokenBuckets(clock)

    def check(self, scope: MutableMapping[str, Any], caller: Caller) -> None:
        """Count a request of a caller. Raises RateLimitedError."""
        if caller.user is not None:
            self._consume(scope, f"{caller.source}/{caller.user.participant_id}", self._per_user)
        else:
            self._consume(scope, caller.source, self._per_key)

    def check_visitor(self, scope: MutableMapping[str, Any]) -> None:
        """Count a request of an anonymous visitor. Raises RateLimitedError."""
        address = scope.get("client") or ("",)
        self._consume(scope, f"visitor {address[0]}", self._per_user)

    def _consume(self, scope: MutableMapping[str, Any], who: str, per_second: int) -> None:
        if per_second:
            scope[RATE_LIMIT_STATE] = self._limiter.consume(who, per_second)


def with_rate_limit_headers(scope: MutableMapping[str, Any], send: Send) -> Send:
    """Return `send` with the rate limit headers added to the response."""

    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        state: RateLimitState | None = scope.get(RATE_LIMIT_STATE)
        if state is not None and message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *state.headers()]
        await send(message)

    return send_with_headers
