"""Dates of chat exports: which of their numbers is the day is decided over the whole file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import get_args

from ingest.importers.base import Ambiguity, DateOrder

_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)


@dataclass(frozen=True)
class Stamp:
    """The numbers of a date and a time, as written; `half` is a or p on a 12-hour clock."""

    numbers: tuple[str, str, str]
    hour: int
    minute: int
    second: int = 0
    half: str | None = None

    def read(self, order: DateOrder) -> datetime:
        """Return the local time, if the numbers have this order. Raises ValueError."""
        parts = dict(zip(order, self.numbers, strict=True))
        year = int(parts["y"])
        if len(parts["y"]) <= 2:
            year += 2000 if year < 70 else 1900
        hour = self.hour
        if self.half is not None:
            hour = hour % 12 + (12 if self.half == "p" else 0)
        if any(len(text) > 2 for name, text in parts.items() if name != "y"):
            raise ValueError("a day or a month has two digits")
        day = date(year, int(parts["m"]), int(parts["d"]))
        return datetime.combine(day, time(hour, self.minute, self.second))


class OrderFinder:
    """Finds the order of the numbers from all dates of a file."""

    def __init__(self, stamps: Iterable[tuple[str, Stamp]]) -> None:
        self._failures: dict[DateOrder, str] = {}
        self._steps_back = dict.fromkeys(_ORDERS, 0)
        self._last: dict[DateOrder, datetime] = {}
        self._has_dates = False
        for place, stamp in stamps:
            self._has_dates = True
            for order in _ORDERS:
                self._try(place, stamp, order)

    def _try(self, place: str, stamp: Stamp, order: DateOrder) -> None:
        try:
            moment = stamp.read(order)
        except ValueError:
            self._failures.setdefault(order, place)
            return
        self._steps_back[order] += moment < self._last.get(order, moment)
        self._last[order] = moment

    @property
    def possible(self) -> list[DateOrder]:
        """The orders that explain every date; of those, the ones that step back in time least often."""
        found = [order for order in _ORDERS if order not in self._failures]
        # Two digits in the first place are a year only if no other order explains the file.
        found = [order for order in found if order != "ymd"] or found
        fewest = min((self._steps_back[order] for order in found), default=0)
        return [order for order in found if self._steps_back[order] == fewest]

    @property
    def certain(self) -> DateOrder | None:
        """The order, if only one is possible."""
        possible = self.possible
        return possible[0] if len(possible) == 1 and self._has_dates else None

    @property
    def question(self) -> Ambiguity | None:
        """What the file leaves open, if it leaves the order open."""
        possible = self.possible
        if len(possible) < 2 or not self._has_dates:
            return None
        found = " or ".join(possible)
        return Ambiguity(f"the dates can be read as {found}", "nothing is read", "--dates")

    @property
    def problem(self) -> str:
        """Why no order is certain."""
        if not self._has_dates:
            return "no line begins with a date"
        if self.possible:
            return "the order of day and month is not certain; --dates states it"
        places = ", ".join(f"not {order} at {place}" for order, place in self._failures.items())
        return f"the dates have more than one order: {places}; --dates states it"
