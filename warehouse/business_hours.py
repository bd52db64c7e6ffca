"""The business hours: versions of a weekly schedule with holidays, read from a TOML file.

The file has one `[[schedule]]` for each version. A version is valid until the next one begins:

    [[schedule]]
    valid_from = 2026-01-01
    zone = "Europe/Berlin"
    holidays = [2026-12-25]
    hours.monday = ["09:00-12:00", "13:00-17:00"]
    hours.tuesday = ["09:00-17:00"]
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = timedelta(days=1)


class BusinessHoursError(Exception):
    """The file of the business hours cannot be used; the message says where and why."""

    def __init__(self, path: Path, problem: object) -> None:
        """`problem`: what is wrong."""
        super().__init__(f"the business hours in {path}: {problem}")


def _parts(given: list[str]) -> list[str]:
    parts = [_offsets(part) for part in given]
    if any(end <= start for start, end in parts):
        raise ValueError("a part ends after it starts; give two parts for a night")
    if any(second[0] < first[1] for first, second in pairwise(parts)):
        raise ValueError("the parts of a day are in order and do not overlap")
    return given


def _offsets(part: str) -> tuple[timedelta, timedelta]:
    """Return the start and the end of `09:00-17:00`, from midnight."""
    start, separator, end = part.partition("-")
    if not separator:
        raise ValueError(f"{part!r} is not like 09:00-17:00")
    return _offset(start), _offset(end)


def _offset(given: str) -> timedelta:
    if given == "24:00":
        return DAY
    at = time.fromisoformat(given)
    if at.second or at.tzinfo is not None:
        raise ValueError(f"{given!r} is not like 09:00")
    return timedelta(hours=at.hour, minutes=at.minute)


def _zone(given: str) -> str:
    try:
        ZoneInfo(given)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not a time zone; give a name such as Europe/Berlin") from error
    return given


def _in_order(given: tuple[date, ...]) -> tuple[date, ...]:
    return tuple(sorted(set(given)))


Parts = Annotated[list[str], AfterValidator(_parts)]


class Schedule(BaseModel):
    """One version of the business hours. Times are those of the clocks in `zone`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    valid_from: date
    zone: Annotated[str, AfterValidator(_zone)]
    holidays: Annotated[tuple[date, ...], AfterValidator(_in_order)] = ()
    hours: dict[str, Parts] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_weekdays(self) -> "Schedule":
        if unknown := self.hours.keys() - set(WEEKDAYS):
            raise ValueError(f"not a weekday: {', '.join(sorted(unknown))}")
        return self

    def at(self, day: date, offset: timedelta) -> datetime:
        """Return the UTC time when the clocks show `offset` after midnight of `day`."""
        local = datetime.combine(day, time()) + offset
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def open_parts(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield when the business opens and closes on `day`, UTC."""
        if day not in self.holidays:
            for part in self.hours.get(WEEKDAYS[day.weekday()], []):
                opens, closes = _offsets(part)
                yield self.at(day, opens), self.at(day, closes)


@dataclass(frozen=True)
class OpenPart:
    """A time in which the business is open without a break, UTC."""

    schedule: Schedule
    opens_on: date
    opens_at: datetime
    closes_at: datetime


def read_schedules(path: Path | None) -> tuple[Schedule, ...]:
    """Return the versions in `path`, in order; none without a path. Raises BusinessHoursError."""
    if path is None:
        return ()
    try:
        listed = tomllib.loads(path.read_text()).get("schedule", [])
        found = sorted((Schedule(**each) for each in listed), key=lambda each: each.valid_from)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BusinessHoursError(path, f"{where}: {first['msg']}") from error
    except (OSError, TypeError, ValueError) as error:
        raise BusinessHoursError(path, error) from error
    if not found:
        raise BusinessHoursError(path, "it has no [[schedule]]")
    if any(first.valid_from == second.valid_from for first, second in pairwise(found)):
        raise BusinessHoursError(path, "two schedules have the same valid_from")
    return tuple(found)


def open_parts(schedules: Sequence[Schedule], until: date) -> Iterator[OpenPart]:
    """Yield every open part from the first version on, before the day `until`; no two overlap.

    A version ends when the next one begins, each in its own zone. Where the clocks change, local times repeat
    or do not exist: what is open already, or ends before it starts, is left out.
    """
    closed_at = datetime.min.replace(tzinfo=UTC)
    for number, schedule in enumerate(schedules):
        following = schedules[number + 1] if number + 1 < len(schedules) else None
        ends_at = None if following is None else following.at(following.valid_from, timedelta())
        for day in _days(schedule.valid_from, until):
            for opens_at, closes_at in schedule.open_parts(day):
                opens = max(opens_at, closed_at)
                closes = closes_at if ends_at is None else min(closes_at, ends_at)
                if opens < closes:
                    yield OpenPart(schedule, day, opens, closes)
                    closed_at = closes
            if ends_at is not None and schedule.at(day, DAY) >= ends_at:
                break


def _days(first: date, until: date) -> Iterator[date]:
    for number in range((until - first).days):
        yield first + number * DAY
