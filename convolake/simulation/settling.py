"""Waits until the API has done what it does after it has answered: sends, receipts that waited, timers."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import httpx2

from convolake.simulation.bot import Bot
from convolake.simulation.pages import read_pages
from convolake.simulation.parts import Part

WAIT_SECONDS, LATER_WAIT_SECONDS = 20.0, 2.0
"""Maximum real time of a wait, and of each wait after one that failed."""

PAUSE_SECONDS = 0.01


class Settling:
    """Reads the events of conversations until they are complete. `problems`: what was missing at the end."""

    def __init__(self, bot: Bot, http: httpx2.Client, check: Callable[[], object]) -> None:
        """`http` has the API's address and key. `check` raises if waiting cannot help."""
        self._bot = bot
        self._http = http
        self._check = check
        self.problems: list[str] = []

    def wait_for_events(self, part: Part, event_types: Iterable[str]) -> None:
        """Wait until a message has events of these types."""
        expected = set(event_types)

        def is_done() -> bool:
            events = self._events(part)
            key = part.said.key
            return expected <= {e["event_type"] for e in events if e.get("message_id") == key}

        self._wait(is_done, f"{part.said.key}: no {', no '.join(sorted(expected))} in time")

    def wait_for_ends(self, part: Part) -> None:
        """Wait until every session of a conversation has ended."""

        def is_done() -> bool:
            types = Counter(each["event_type"] for each in self._events(part))
            return types["session.started"] == types["session.ended"]

        self._wait(is_done, f"{part.said.key}: a session has not ended in time")

    def _events(self, part: Part) -> list[dict[str, Any]]:
        """Return the events of a conversation; none if there is no such conversation."""
        try:
            path = f"/v1/conversations/{self._bot.find(part)}/events"
        except LookupError:
            return []
        return list(read_pages(self._http, path))

    def _wait(self, is_done: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + (LATER_WAIT_SECONDS if self.problems else WAIT_SECONDS)
        while not is_done():
            if time.monotonic() > deadline:
                self.problems.append(problem)
                return
            self._check()
            time.sleep(PAUSE_SECONDS)
