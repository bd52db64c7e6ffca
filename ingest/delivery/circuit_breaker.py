"""Stops deliveries to a destination that keeps failing."""

from ingest.delivery.retry_policy import SECOND

FAILURE_THRESHOLD = 10
"""So many failures in a row, and nothing is sent for a while."""


FIRST_PAUSE, PAUSE, LONGEST_PAUSE = 30, 60, 512
"""Seconds. An endpoint that is down is tried every minute for an hour, then ever less often."""


HOUR = 3_600 * SECOND


class CircuitBreaker:
    """Leaves an endpoint alone once it fails again and again; then one delivery tries it."""

    def __init__(self) -> None:
        """Closed: everything may be sent."""
        self._failures = 0
        self._since: int | None = None
        self._pause = 0
        self._open_until = 0

    @property
    def is_closed(self) -> bool:
        """Whether the endpoint is taken to be well."""
        return self._since is None

    def permits(self, now: int) -> int | None:
        """How many deliveries may be under way now; None: as many as you like."""
        if now < self._open_until:
            return 0
        return None if self.is_closed else 1

    def record(self, *, is_success: bool, now: int) -> None:
        """What became of a delivery."""
        if is_success:
            self._failures = self._open_until = 0
            self._since = None
            return
        self._failures += 1
        if self._failures < FAILURE_THRESHOLD or now < self._open_until:
            return
        if self._since is None:
            self._since, self._pause = now, FIRST_PAUSE
        elif now - self._since < HOUR:
            self._pause = PAUSE
        else:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        self._open_until = now + self._pause * SECOND
