"""Believable support conversations: a history of some days, and a live trickle.

The story depends on seed and calendar only: the events of a date do not depend on when they are
generated; `now` only cuts them off. A later simulation therefore adds the new events and repeats the others as
duplicates.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from itertools import chain, count
from random import Random
from typing import Any, Protocol
from uuid import uuid5

from convolake.stories.cast import PERSONS, person, pick_person
from convolake.stories.scenes import play
from convolake.stories.script import Script
from ingest.client import BatchResult, Client
from ingest.contract import NAMESPACE

Event = dict[str, Any]

CONVERSATIONS_A_DAY = 84
WEEKDAYS = (1.20, 1.15, 1.10, 1.10, 1.05, 0.72, 0.68)
HOURS = (1, 1, 0.5, 0.5, 0.5, 1, 2, 4, 7, 9, 10, 11, 10, 9, 9, 9, 8, 8, 7, 7, 6, 5, 3, 2)
GROWTH_A_DAY = 0.0012
GROWTH_SINCE = date(2026, 9, 1)

BATCH = 2000
"""Events of one request: large enough for speed, small enough for a progress bar that moves."""

MAX_WAIT_SECONDS = 1.0
"""Maximum seconds between two checks whether a live simulation has to stop."""


@dataclass
class RecordCounts:
    """The results of the simulated events so far."""

    accepted: int = 0
    duplicate: int = 0
    parked: int = 0
    rejected: int = 0

    def add(self, result: BatchResult) -> None:
        """Count a batch."""
        self.accepted += result.accepted
        self.duplicate += result.duplicate
        self.parked += result.parked
        self.rejected += result.conflict + result.rejected


def history(seed: int, days: int, now: datetime) -> Iterator[Event]:
    """Yield the events of `days` days and of today before `now`, in order of time.

    Events are for `POST /v1/events`, with `happened_at` never later than `now`.
    """
    today = now.astimezone(UTC).date()
    waiting: list[Event] = []
    for number in range(days + 1):
        day = today - timedelta(days=days - number)
        waiting += (event for script in conversations(seed, day) for event in script.events)
        waiting.sort(key=_happened_at)
        until = min(now.astimezone(UTC), _start(day + timedelta(days=1)))
        ready = bisect_right(waiting, until.isoformat(timespec="microseconds"), key=_happened_at)
        yield from waiting[:ready]
        del waiting[:ready]


def contacts() -> Iterator[Event]:
    """Yield every possible customer, with the channel address."""
    for number in range(PERSONS):
        customer = person(number)
        address = {"channel": "email", "address": f"{customer.contact_id}@example.org"}
        attributes = {"name": customer.name, "language": customer.language.code}
        for event_type, payload in (
            ("contact.created", {"attributes": attributes}),
            ("contact.linked", address),
        ):
            yield {
                "event_id": str(uuid5(NAMESPACE, f"simulated/{event_type}/{number}")),
                "event_type": event_type,
                "contact_id": customer.contact_id,
                "happened_at": _start(GROWTH_SINCE).isoformat(),
                "payload": payload,
            }


def conversations(seed: int, day: date) -> Iterator[Script]:
    """Yield every conversation that starts on `day`, with all its later events."""
    random = Random(f"{seed}/{day}")  # noqa: S311
    growth = max(0.5, 1 + GROWTH_A_DAY * (day - GROWTH_SINCE).days)
    expected = CONVERSATIONS_A_DAY * WEEKDAYS[day.weekday()] * growth
    for number in range(round(expected * random.gauss(1, 0.07))):
        hour = random.choices(range(24), HOURS)[0]
        opened_at = _start(day) + timedelta(hours=hour, seconds=random.uniform(0, 3600))
        yield _played(f"sim-{seed}-{day:%Y%m%d}-{number:03d}", opened_at)


def live(seed: int, since: datetime, per_minute: float = 2.0) -> Iterator[Event]:
    """Yield events from `since` on, in order of `occurred_at`, without end.

    The API sets `happened_at`, because events are sent as they occur.
    """
    opened_at = since.astimezone(UTC)
    random = Random(f"{seed}/live/{opened_at}")  # noqa: S311
    waiting: list[tuple[str, int, Event]] = []
    order = count()
    for number in count():
        while waiting and waiting[0][0] <= opened_at.isoformat(timespec="microseconds"):
            yield heappop(waiting)[2]
        for event in _played(f"sim-{seed}-live-{since:%Y%m%d%H%M%S}-{number}", opened_at).events:
            heappush(waiting, (event.pop("happened_at"), next(order), event))
        opened_at += timedelta(minutes=random.expovariate(per_minute))


class Stop(Protocol):
    """Stop signal, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether it is time."""


def simulate_history(
    client: Client,
    seed: int,
    days: int,
    now: datetime,
    on_progress: Callable[[int], object] = lambda _: None,
) -> RecordCounts:
    """Post the history; `on_progress` gets the number of events of each batch. Safe to repeat.

    Raises what the client raises; events acknowledged until then are on disk.
    """
    counts = RecordCounts()
    for result in client.record(chain(contacts(), history(seed, days, now)), BATCH):
        counts.add(result)
        on_progress(len(result.results))
    return counts


def simulate_live(
    client: Client,
    seed: int,
    clock: Callable[[], datetime],
    wait: Callable[[float], object],
    stop: Stop,
    *,
    per_minute: float = 2.0,
) -> RecordCounts:
    """Post events as they occur, with `per_minute` new conversations, until `stop` is set.

    `clock` gives aware instants, `wait` pauses for seconds. Raises what the client raises.
    """
    counts = RecordCounts()
    for event in live(seed, clock(), per_minute):
        due = datetime.fromisoformat(event["occurred_at"])
        while not stop.is_set() and (ahead := (due - clock()).total_seconds()) > 0:
            wait(min(ahead, MAX_WAIT_SECONDS))
        if stop.is_set():
            break
        for result in client.record([event]):
            counts.add(result)
    return counts


def _played(conversation_id: str, opened_at: datetime) -> Script:
    random = Random(conversation_id)  # noqa: S311
    script = Script(conversation_id, opened_at, random, pick_person(random))
    play(script)
    return script


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _happened_at(event: Event) -> str:
    moment: str = event["happened_at"]
    return moment
