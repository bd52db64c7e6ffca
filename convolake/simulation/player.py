"""Plays a schedule: sets the clock to each moment, and delivers all calls of that moment at the same time."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import httpx2

from convolake.simulation.bot import Bot
from convolake.simulation.clocks import SECOND, SimulationClock
from convolake.simulation.parts import Part
from convolake.simulation.plan import DAY, STATES, Answer, Message
from convolake.simulation.provider_calls import ProviderCalls
from convolake.simulation.schedule import Delivery, Schedule
from convolake.simulation.settling import Settling
from convolake.simulation.stand_in import StandIn
from ingest.client import ClientError

CONCURRENCY = 8
"""Maximum calls at the same time."""

SETTLED_SECONDS = 5 * DAY
"""Time after the last call when all sessions have ended."""


class Player:
    """Plays one schedule. `done`: when the calls of each second were answered; seconds since 1970."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        calls: ProviderCalls,
        bot: Bot,
        settling: Settling,
        clock: SimulationClock,
    ) -> None:
        self._parts = parts
        self._calls = calls
        self._bot = bot
        self._settling = settling
        self._clock = clock
        self._early: dict[str, Delivery] = {}
        self._taken: set[Delivery] = set()
        self._problems: list[str] = []
        self.done: dict[int, float] = {}

    @property
    def problems(self) -> list[str]:
        """Calls that the API did not take, and what it did not do in time."""
        return [*self._problems, *self._settling.problems]

    def play(
        self, schedule: Schedule, stand_in: StandIn, on_progress: Callable[[int], object]
    ) -> None:
        """Deliver everything, and wait until the API has done what follows from it."""
        self._early = {each.key: each for each in schedule.deliveries if each.is_early}
        stand_in.on_send = self._report_early
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for at, group in groupby(schedule.deliveries, key=lambda each: each.at):
                self._clock.set(at)
                deliveries = list(group)
                calls = [each for each in deliveries if not each.is_early]
                taken = [each for each in pool.map(self._deliver, calls) if each is not None]
                self._wait_for_sends(taken)
                self.done[at] = self._clock() / SECOND
                on_progress(len(deliveries))
        self._wait_for_receipts()
        if self._clock.can_skip:
            self._end_sessions(schedule)

    def _end_sessions(self, schedule: Schedule) -> None:
        self._clock.set(schedule.deliveries[-1].at + SETTLED_SECONDS)
        for part in self._answers():
            self._settling.wait_for_ends(part)

    def _deliver(self, delivery: Delivery) -> Delivery | None:
        """Make a call, and return it; note it if it fails, and return None."""
        part = self._parts[delivery.key]
        try:
            if isinstance(part.said, Message):
                self._calls.send_message(part, part.said)
            elif isinstance(part.said, Answer) and delivery.status is not None:
                self._calls.send_status(part, part.said, delivery.status)
            else:
                self._bot.post(part)
        except (ClientError, LookupError, httpx2.HTTPError) as error:
            self._problems.append(f"{delivery.kind} {delivery.key}: {error}")
            return None
        self._taken.add(delivery)
        return delivery

    def _report_early(self, key: str) -> None:
        """Report the first status while the provider still handles the send."""
        if key in self._early:
            self._deliver(self._early.pop(key))

    def _wait_for_sends(self, deliveries: Iterable[Delivery]) -> None:
        for each in deliveries:
            if each.kind == "answer" and not each.is_repeat:
                self._settling.wait_for_events(self._parts[each.key], ["message.submitted"])

    def _wait_for_receipts(self) -> None:
        """Wait for the statuses that the API took before it could assign them."""
        reported: dict[str, set[str]] = {}
        for each in sorted(self._taken, key=lambda each: each.at):
            if each.status is not None:
                reported.setdefault(each.key, set()).add(f"message.{STATES[each.status]}")
        for key, event_types in reported.items():
            self._settling.wait_for_events(self._parts[key], event_types)

    def _answers(self) -> Iterable[Part]:
        """Return the last answer of each conversation."""
        return [
            self._parts[key]
            for key in {
                part.conversation.customer.number: key
                for key, part in self._parts.items()
                if isinstance(part.said, Answer)
            }.values()
        ]
