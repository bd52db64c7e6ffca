"""When a failed call is retried, and after what pause. Never waits itself."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ingest.client.outcomes import ClientError

LONGEST_PAUSE = 60.0
"""Maximum Retry-After that a client obeys, in seconds; a longer one is raised."""

POLL_SECONDS = 0.1

JITTER = random.SystemRandom().random
"""Not `random.random`: a program that seeded it depends on its numbers."""


class Policy(Protocol):
    """Decides whether there is another attempt, and when."""

    def pause_after(self, failure: ClientError) -> float:
        """Return the seconds until the next attempt. Raises the failure if there is none."""
        ...


@dataclass
class Retrying:
    """Retries with growing pauses; without a limit if `is_endless`."""

    retries: int
    jitter: Callable[[], float]
    is_endless: bool = False
    failures: int = 0

    def pause_after(self, failure: ClientError) -> float:
        """Return the seconds until the next attempt. Raises the failure if there is none."""
        pause = pause_before_retry(failure, min(self.failures, self.retries), self.jitter())
        if pause is None or (self.failures >= self.retries and not self.is_endless):
            raise failure
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Reset after a response: the next failure counts as the first."""
        self.failures = 0


@dataclass
class Polling:
    """Retries at a short interval until `deadline`."""

    deadline: float
    clock: Callable[[], float]

    def pause_after(self, failure: ClientError) -> float:
        """Return the seconds until the next attempt. Raises the failure if there is none."""
        if not failure.is_retryable or self.clock() >= self.deadline:
            raise failure
        return POLL_SECONDS


@dataclass(frozen=True)
class RetryPolicy:
    """How a client retries: `retries` after the first attempt of a call."""

    retries: int
    clock: Callable[[], float]
    jitter: Callable[[], float]

    def for_calls(self) -> Retrying:
        """Return retries with a limit, for one call."""
        return Retrying(self.retries, self.jitter)

    def for_listeners(self) -> Retrying:
        """Return retries without a limit, for a listener."""
        return Retrying(self.retries, self.jitter, is_endless=True)

    def until_ready(self, seconds: float) -> Polling:
        """Return the pause before the next attempt, in seconds."""
        return Polling(self.clock() + seconds, self.clock)


def pause_before_retry(failure: ClientError, attempt: int, jitter: float) -> float | None:
    """Return the seconds until the next attempt; None if there is none. `attempt` counts from 0.

    Never earlier than the server asks. `jitter` (0 to 1) spreads the retries of clients that failed
    together.
    """
    asked = failure.retry_after or 0.0
    if not failure.is_retryable or asked > LONGEST_PAUSE:
        return None
    backoff = min(10.0, 0.2 * 2.0**attempt)
    return asked + backoff * (0.5 + jitter / 2)
