"""A client that keeps writing after any response, and keeps the responses."""

import time
from typing import Self

import httpx2

from ingest.settings import Settings
from tests.factories import make_event
from tests.faults.checker import AcknowledgedEvents


class Writer:
    """Writes one event after the other to conversation c0; `answers` are all responses."""

    def __init__(
        self,
        settings: Settings,
        key: str,
        acknowledged: AcknowledgedEvents,
        text: str = "hello",
        prefix: str = "w",
    ) -> None:
        self.answers: list[httpx2.Response] = []
        self._prefix = prefix
        self._told = acknowledged
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

    def write_until_rejected(self, rejections: int) -> None:
        """Write until `rejections` events in a row were rejected."""
        for _ in range(3000):
            self.write()
            if not any(each.is_success for each in self.answers[-rejections:]):
                return

    def write_for(self, seconds: float) -> None:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            self.write()

    def write_until_accepted(self, seconds: float) -> float:
        """Return the seconds until an event is accepted again; at most `seconds`."""
        start = time.monotonic()
        while not self.write().is_success and time.monotonic() - start < seconds:
            time.sleep(0.1)
        return time.monotonic() - start

    def accepted_after_the_first_refusal(self) -> int:
        """Return how many events were accepted after the first rejected one."""
        accepted = [each.is_success for each in self.answers]
        return sum(accepted[accepted.index(False) :]) if False in accepted else 0

    def readiness(self) -> httpx2.Response:
        return self._http.get("/readyz")
