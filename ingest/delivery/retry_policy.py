"""When a failed delivery is retried, and when it becomes a dead letter."""

from collections.abc import Callable

SECOND = 1_000_000
SCHEDULE = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between attempts: twelve attempts in about 76 hours, the first at once."""

TOTAL_RETRY_TIME = sum(SCHEDULE) * SECOND
"""Time after the first attempt, in microseconds, from which a delivery may become a dead letter."""

JITTER = 0.2
"""Share by which a pause varies in both directions."""

MAX_RETRY_AFTER_SECONDS = 3_600
"""Maximum pause that a receiver may ask for."""


def next_attempt_at(
    now: int,
    first_attempt_at: int,
    attempts: int,
    retry_after: int | None,
    jitter: Callable[[], float],
) -> int | None:
    """Return when to retry after `attempts` failed attempts; None if the delivery becomes a dead letter.

    `jitter` returns 0 to 1.
    """
    is_exhausted = attempts > len(SCHEDULE)
    if is_exhausted and now - first_attempt_at >= TOTAL_RETRY_TIME * (1 - JITTER):
        return None
    pause = SCHEDULE[min(attempts, len(SCHEDULE)) - 1] * (1 - JITTER + 2 * JITTER * jitter())
    pause = max(pause, min(retry_after or 0, MAX_RETRY_AFTER_SECONDS))
    return now + int(pause * SECOND)
