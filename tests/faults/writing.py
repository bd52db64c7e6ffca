"""One client that writes on, whatever it is answered, and remembers it."""

import time
from typing import Self

import httpx2

from ingest.settings import Settings
from tests.factories import make_event
from tests.faults.checker import Told


class Writer:
    """Writes one event after the other to conversation c0; `answers` are all it was told."""

    def __init__(
        self, settings: Settings, key: str, told: Told, text: str = "hello", prefix: str = "w"
    ) -> None:
        self.answers: list[httpx2.Response] = []
        self._prefix = prefix
        self._told = told
        self._text = text
        self._http = httpx2.Client(
            base_url=settings.url, headers={"authorization": f"Bearer {key}"}, timeout=30
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def write(self) -> httpx2.Response:
        event_id = f"e{self._prefix}-{len(self.answers)}"
        event = make_event(conversation_id="c0", event_id=event_id, text=self._text)
        answer = self._http.post("/v1/events", json=event)
        self.answers.append(answer)
        if answer.is_success:
            self._told.acknowledge(event_id, answer.json()["sequence"])
        else:
            self._told.leave_open(event_id)
        return answer

    def write_until_full(self, refusals: int) -> None:
        """Until nothing was taken so many times in a row."""
        for _ in range(3000):
            self.write()
            if not any(each.is_success for each in self.answers[-refusals:]):
                return

    def write_for(self, seconds: float) -> None:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            self.write()

    def write_until_taken(self, seconds: float) -> float:
        """Seconds until an event is taken again; at most `seconds`."""
        start = time.monotonic()
        while not self.write().is_success and time.monotonic() - start < seconds:
            time.sleep(0.1)
        return time.monotonic() - start

    def accepted_after_the_first_refusal(self) -> int:
        """How many were taken after one was not."""
        taken = [each.is_success for each in self.answers]
        return sum(taken[taken.index(False) :]) if False in taken else 0

    def readiness(self) -> httpx2.Response:
        return self._http.get("/readyz")
