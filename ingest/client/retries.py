"""When a call that failed is made again, and after what pause. Never waits itself."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ingest.client.outcomes import ClientError

LONGEST_PAUSE = 60.0
"""Seconds. A server that asks for more patience than this is reported instead of waited for."""

POLL_SECONDS = 0.1

JITTER = random.SystemRandom().random
"""Not `random.random`: a program that seeded that one counts on its numbers."""


class Policy(Protocol):
    """Whether there is another try, and when."""

    def pause_after(self, failure: ClientError) -> float:
        """Seconds until the next try. Raises the failure if there is none."""
        ...


@dataclass
class Retrying:
    """Retries with growing pauses; with `is_endless` without a limit."""

    retries: int
    jitter: Callable[[], float]
    is_endless: bool = False
    failures: int = 0

    def pause_after(self, failure: ClientError) -> float:
        """Seconds until the next try. Raises the failure if there is none."""
        pause = pause_before_retry(failure, min(self.failures, self.retries), self.jitter())
        if pause is None or (self.failures >= self.retries and not self.is_endless):
            raise failure
        self.failures += 1
        return pause

    def begin_anew(self) -> None:
        """There was an answer: the next failure is a first one."""
        self.failures = 0


@dataclass
class Polling:
    """A try every moment until `deadline`."""

    deadline: float
    clock: Callable[[], float]

    def pause_after(self, failure: ClientError) -> float:
        """Seconds until the next try. Raises the failure if there is none."""
        if not failure.is_retryable or self.clock() >= self.deadline:
            raise failure
        return POLL_SECONDS


@dataclass(frozen=True)
class Patience:
    """How a client retries: `retries` after the first attempt of a call."""

    retries: int
    clock: Callable[[], float]
    jitter: Callable[[], float]

    def for_a_call(self) -> Retrying:
        """Return some tries more."""
        return Retrying(self.retries, self.jitter)

    def for_a_listener(self) -> Retrying:
        """As long as it takes."""
        return Retrying(self.retries, self.jitter, is_endless=True)

    def until_ready(self, seconds: float) -> Polling:
        """Return the pause before the next attempt, in seconds."""
        return Polling(self.clock() + seconds, self.clock)


def pause_before_retry(failure: ClientError, attempt: int, jitter: float) -> float | None:
    """Seconds until the next try, None if it is of no use. `attempt` counts from 0.

    Never earlier than the server asks. `jitter` (0 to 1) keeps clients that failed together
    from coming back together.
    """
    asked = failure.retry_after or 0.0
    if not failure.is_retryable or asked > LONGEST_PAUSE:
        return None
    backoff = min(10.0, 0.2 * 2.0**attempt)
    return asked + backoff * (0.5 + jitter / 2)
