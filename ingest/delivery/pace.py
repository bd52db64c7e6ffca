"""The pace of a destination: a token bucket that says how long the next request has to wait."""

from ingest.delivery.retry_policy import SECOND


class Pace:
    """At most `requests_per_second`, with bursts of one second's requests. None: no limit."""

    def __init__(self, requests_per_second: float | None = None) -> None:
        """Start with a full bucket."""
        self._rate = requests_per_second
        self._tokens = self._burst
        self._at: int | None = None

    @property
    def _burst(self) -> float:
        return max(1.0, self._rate or 1.0)

    def set_rate(self, requests_per_second: float | None) -> None:
        """Change the rate; what was spent stays spent."""
        if requests_per_second != self._rate:
            self._rate = requests_per_second
            self._tokens = min(self._tokens, self._burst) if self._at is not None else self._burst

    def reserve(self, now: int) -> float:
        """Take a token, and return the seconds after which it may be used. `now` is in microseconds."""
        if self._rate is None:
            return 0.0
        elapsed = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        self._tokens = min(self._burst, self._tokens + elapsed / SECOND * self._rate) - 1
        return max(0.0, -self._tokens / self._rate)
