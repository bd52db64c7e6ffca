"""The schedule of a simulation: which call arrives when, with the faults on the way. Pure.

Faults change when and how often a call arrives, never what it says. Only `drop_receipts` takes calls away,
and `dropped` names them.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from convolake.simulation.plan import Answer, Message, Plan, Status

Kind = Literal["message", "answer", "status"]

LATER_SECONDS = (0, 0, 7, 40, 26 * 3600)
"""Delays of a repeated call: at the same moment, within the turn, on the next day."""


class Faults(Struct, frozen=True):
    """How much goes wrong, as shares: calls that come again, groups of calls that overtake each other, lost receipts."""

    duplicates: float = 0.0
    reorder: float = 0.0
    drop_receipts: float = 0.0


class Delivery(Struct, frozen=True, order=True):
    """A call that arrives `at` a second. `is_early`: the status comes while the provider still handles the send."""

    at: int
    kind: Kind
    key: str
    status: Status | None = None
    is_early: bool = False
    is_repeat: bool = False


class Schedule(Struct, frozen=True):
    """All deliveries in order, and the receipts that are lost."""

    deliveries: tuple[Delivery, ...]
    dropped: frozenset[tuple[str, Status]]
    reordered: int

    def without(self, is_lost: Callable[[Delivery], bool]) -> "Schedule":
        """Return the schedule without some calls."""
        left = tuple(each for each in self.deliveries if not is_lost(each))
        return replace(self, deliveries=left)

    def first_arrivals(self) -> dict[tuple[str, Status | None], int]:
        """Return when each call arrives first, by what it is about: a message, an answer, or its status."""
        arrivals: dict[tuple[str, Status | None], int] = {}
        for each in self.deliveries:
            arrivals.setdefault((each.key, each.status), each.at)
        return arrivals


def make_schedule(
    plan: Plan, seed: int, faults: Faults, repeat_seconds: Sequence[int] = LATER_SECONDS
) -> Schedule:
    """Return when each call of the plan arrives. `repeat_seconds`: possible delays of a call that comes again."""
    draft = _Draft(Random(f"{seed}/faults"), faults, repeat_seconds)  # noqa: S311
    for conversation in plan:
        for turn in conversation.turns:
            draft.add_messages(turn.messages)
            draft.add_answer(turn.answer)
    deliveries = [*draft.deliveries, *draft.repeats()]
    return Schedule(
        tuple(sorted(deliveries, key=lambda each: each.at)),
        frozenset(draft.dropped),
        draft.reordered,
    )


class _Draft:
    """A schedule that grows turn by turn."""

    def __init__(self, random: Random, faults: Faults, repeat_seconds: Sequence[int]) -> None:
        self._random = random
        self._faults = faults
        self._repeat_seconds = repeat_seconds
        self.deliveries: list[Delivery] = []
        self.dropped: set[tuple[str, Status]] = set()
        self.reordered = 0

    def add_messages(self, messages: Sequence[Message]) -> None:
        """Add messages in a row: each when it is said, or all after the last one and in another order."""
        calls = [Delivery(each.at, "message", each.key) for each in messages]
        self.deliveries += self._in_some_order(calls)

    def add_answer(self, answer: Answer) -> None:
        """Add an answer and its receipts; a reordered first one comes before the send is answered."""
        self.deliveries.append(Delivery(answer.at, "answer", answer.key))
        calls = [
            Delivery(max(each.at, answer.at + 1), "status", answer.key, each.status)
            for each in answer.receipts
            if not self._is_dropped(answer.key, each.status)
        ]
        if calls and calls[0].status == "sent" and self._happens(self._faults.reorder):
            self.deliveries.append(replace(calls.pop(0), at=answer.at, is_early=True))
            self.reordered += 1
        self.deliveries += self._in_some_order(calls)

    def repeats(self) -> Iterator[Delivery]:
        """Yield the calls that come again, once or twice."""
        for each in self.deliveries:
            if self._happens(self._faults.duplicates):
                for _ in range(self._random.choice((1, 1, 2))):
                    later = max(self._random.choice(self._repeat_seconds), int(each.is_early))
                    yield replace(each, at=each.at + later, is_early=False, is_repeat=True)

    def _in_some_order(self, calls: list[Delivery]) -> list[Delivery]:
        if len(calls) < 2 or not self._happens(self._faults.reorder):
            return calls
        self.reordered += 1
        shuffled = self._random.sample(calls, len(calls))
        if shuffled == calls:
            shuffled.reverse()
        last = calls[-1].at
        return [replace(each, at=last + place) for place, each in enumerate(shuffled)]

    def _is_dropped(self, key: str, status: Status) -> bool:
        if not self._happens(self._faults.drop_receipts):
            return False
        self.dropped.add((key, status))
        return True

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
