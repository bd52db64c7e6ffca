"""The clocks of a simulation: one that is set, and the real one."""

import time
from typing import Protocol

from ingest.clock import wall_clock

SECOND = 1_000_000


class SimulationClock(Protocol):
    """The time in microseconds, and a way to get to a later one."""

    @property
    def can_skip(self) -> bool:
        """Whether days take no time."""

    def __call__(self) -> int:
        """Return the time in microseconds since 1970."""

    def set(self, seconds: int) -> None:
        """Reach `seconds` since 1970, unless it is later already."""


class VirtualClock:
    """A clock that moves only when it is set."""

    can_skip = True

    def __init__(self, seconds: int) -> None:
        """Begin at `seconds` since 1970."""
        self._now = seconds * SECOND

    def __call__(self) -> int:
        """Return the time in microseconds."""
        return self._now

    def set(self, seconds: int) -> None:
        """Move to `seconds` since 1970. The clock never goes back."""
        self._now = max(self._now, seconds * SECOND)


class RealClock:
    """The clock of the machine."""

    can_skip = False

    def __call__(self) -> int:
        """Return the time in microseconds."""
        return wall_clock()

    def set(self, seconds: int) -> None:
        """Wait until `seconds` since 1970."""
        while (left := seconds - self() / SECOND) > 0:
            time.sleep(left)
