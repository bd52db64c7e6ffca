"""How many requests a caller may make: a token bucket for each key, for each user, for each visitor.

A bucket holds BURST_SECONDS' worth of requests and fills at the rate of the setting.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

from starlette.types import Send

from ingest.auth.permissions import Caller
from ingest.errors import RateLimitedError

BURST_SECONDS = 10
RATE_LIMIT_STATE = "convolake.allowance"
"""Key of the rate limit state in a request's scope."""

MIN_CACHED_BUCKETS = 10_000
"""So many callers are kept in mind at least; those whose bucket is full again need not be."""


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
    """Counts the requests of each caller, by our clock; in memory, so each process for itself."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds."""
        self._clock = clock
        self._buckets: dict[str, tuple[float, int]] = {}
        self._max_buckets = MIN_CACHED_BUCKETS

    def consume(self, who: str, per_second: int) -> RateLimitState:
        """Return one request of `who`. Raises RateLimitedError if there is none left."""
        now = self._clock()
        most = float(per_second * BURST_SECONDS)
        held, at = self._buckets.get(who, (most, now))
        held = min(most, held + max(0, now - at) * per_second / 1_000_000)
        if held < 1:
            raise RateLimitedError(f"at most {per_second} requests a second; send fewer")
        if who not in self._buckets and len(self._buckets) >= self._max_buckets:
            self._evict(now)
        self._buckets[who] = (held - 1, now)
        return RateLimitState(per_second, int(held - 1), int((most - held + 1) / per_second) + 1)

    def _evict(self, now: int) -> None:
        old = now - BURST_SECONDS * 1_000_000
        self._buckets = {who: each for who, each in self._buckets.items() if each[1] > old}
        # With many active callers, the next eviction waits until their number has doubled.
        self._max_buckets = max(MIN_CACHED_BUCKETS, 2 * len(self._buckets))


class RateLimiter:
    """The limits of this installation: requests a second, 0 is any number."""

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

    async def tell(message: MutableMapping[str, Any]) -> None:
        allowance: RateLimitState | None = scope.get(RATE_LIMIT_STATE)
        if allowance is not None and message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *allowance.headers()]
        await send(message)

    return tell
