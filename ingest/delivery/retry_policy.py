"""When a failed delivery is retried."""

from collections.abc import Callable

SECOND = 1_000_000


SCHEDULE = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between one try and the next: twelve tries in about 76 hours, the first at once."""


TOTAL_RETRY_TIME = sum(SCHEDULE) * SECOND
"""A delivery is given up once it was tried so often, and so long ago for the first time."""


JITTER = 0.2


MAX_RETRY_AFTER_SECONDS = 3_600
"""Seconds. A receiver that asks for more patience gets this much."""


def next_attempt_at(
    now: int, since: int, attempts: int, retry_after: int | None, jitter: Callable[[], float]
) -> int | None:
    """When to try again what was tried `attempts` times since `since`; None if it is given up.

    `jitter` gives 0 to 1.
    """
    if attempts > len(SCHEDULE) and now - since >= TOTAL_RETRY_TIME * (1 - JITTER):
        return None
    pause = SCHEDULE[min(attempts, len(SCHEDULE)) - 1] * (1 - JITTER + 2 * JITTER * jitter())
    pause = max(pause, min(retry_after or 0, MAX_RETRY_AFTER_SECONDS))
    return now + int(pause * SECOND)
