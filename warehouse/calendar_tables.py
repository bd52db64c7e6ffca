"""The sources of `dates` and `business_hours`: every day of the reporting zone, every open part."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from warehouse.business_hours import OpenPart, Schedule, open_parts

DAYS = "calendar_days"
PARTS = "open_parts"
SOURCES = frozenset({DAYS, PARTS})
"""The relations that the loader creates, and that the two models read."""

FIRST_DAY = date(2000, 1, 1)


def _schema(types: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema(list(types.items()))


_TIMESTAMP = pa.timestamp("us")
_DAYS_SCHEMA = _schema(
    {
        "day": pa.date32(),
        "starts_at": _TIMESTAMP,
        "ends_at": _TIMESTAMP,
        "iso_year": pa.int32(),
        "iso_week": pa.int32(),
        "weekday": pa.int32(),
        "schedule_valid_from": pa.date32(),
        "is_holiday": pa.bool_(),
    }
)
_PARTS_SCHEMA = _schema(
    {
        "schedule_valid_from": pa.date32(),
        "zone": pa.string(),
        "opens_on": pa.date32(),
        "opens_at": _TIMESTAMP,
        "closes_at": _TIMESTAMP,
    }
)


@dataclass(frozen=True)
class Calendar:
    """What the two tables are made from: days from 2000 to the end of the year after `year`."""

    reporting_zone: str
    schedules: tuple[Schedule, ...]
    year: int

    @property
    def until(self) -> date:
        """The first day that the tables do not have."""
        return date(self.year + 2, 1, 1)

    def hash(self) -> str:
        """Return a hash that changes when the tables must be built again."""
        described = [each.model_dump_json() for each in self.schedules]
        text = "\n".join([self.reporting_zone, str(self.year), *described])
        return hashlib.sha256(text.encode()).hexdigest()


def create_sources(con: duckdb.DuckDBPyConnection, calendar: Calendar) -> None:
    """Make the two sources known to the connection."""
    parts = [_part(each) for each in open_parts(calendar.schedules, calendar.until)]
    con.register(DAYS, pa.Table.from_pylist(_days(calendar), schema=_DAYS_SCHEMA))
    con.register(PARTS, pa.Table.from_pylist(parts, schema=_PARTS_SCHEMA))


def _part(part: OpenPart) -> dict[str, object]:
    return {
        "schedule_valid_from": part.schedule.valid_from,
        "zone": part.schedule.zone,
        "opens_on": part.opens_on,
        "opens_at": part.opens_at.replace(tzinfo=None),
        "closes_at": part.closes_at.replace(tzinfo=None),
    }


def _days(calendar: Calendar) -> list[dict[str, object]]:
    count = (calendar.until - FIRST_DAY).days
    days = [FIRST_DAY + timedelta(days=number) for number in range(count + 1)]
    zone = ZoneInfo(calendar.reporting_zone)
    starts = [
        datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None) for day in days
    ]
    return [
        {
            "day": day,
            "starts_at": starts[number],
            "ends_at": starts[number + 1],
            "iso_year": day.isocalendar().year,
            "iso_week": day.isocalendar().week,
            "weekday": day.isoweekday(),
            **_schedule_of(day, calendar.schedules),
        }
        for number, day in enumerate(days[:-1])
    ]


def _schedule_of(day: date, schedules: Sequence[Schedule]) -> dict[str, object]:
    valid = [each for each in schedules if each.valid_from <= day]
    if not valid:
        return {"schedule_valid_from": None, "is_holiday": None}
    return {
        "schedule_valid_from": valid[-1].valid_from,
        "is_holiday": day in valid[-1].holidays,
    }
