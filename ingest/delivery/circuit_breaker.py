"""Stops deliveries to a destination that keeps failing."""

from ingest.delivery.retry_policy import SECOND

FAILURE_THRESHOLD = 10
"""Consecutive failures that open the circuit."""

FIRST_PAUSE, PAUSE, MAX_PAUSE = 30, 60, 512
"""Seconds without deliveries: the first pause, every pause of the first hour, and the maximum."""

HOUR = 3_600 * SECOND


class CircuitBreaker:
    """Opens after repeated failures. After each pause it permits one delivery as a probe."""

    def __init__(self) -> None:
        """Start closed."""
        self._failures = 0
        self._opened_at: int | None = None
        self._pause = 0
        self._open_until = 0
        self._paused_until = 0

    @property
    def is_closed(self) -> bool:
        """Whether the destination counts as healthy."""
        return self._opened_at is None

    def permits(self, now: int) -> int | None:
        """Return how many deliveries may run now; None if there is no limit."""
        if now < max(self._open_until, self._paused_until):
            return 0
        return None if self.is_closed else 1

    def pause(self, until: int) -> None:
        """Permit nothing before `until`: the destination asked for it, and counts as healthy."""
        self._paused_until = max(self._paused_until, until)

    def record(self, *, is_success: bool, now: int) -> None:
        """Record the result of a delivery."""
        if is_success:
            self._failures = self._open_until = 0
            self._opened_at = None
            return
        self._failures += 1
        if self._failures < FAILURE_THRESHOLD or now < self._open_until:
            return
        if self._opened_at is None:
            self._opened_at, self._pause = now, FIRST_PAUSE
        elif now - self._opened_at < HOUR:
            self._pause = PAUSE
        else:
            self._pause = min(MAX_PAUSE, 2 * self._pause)
        self._open_until = now + self._pause * SECOND
