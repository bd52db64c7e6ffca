"""Business hours: versions of a schedule, and durations that count only while the business is open."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event
from warehouse.business_hours import WEEKDAYS, BusinessHoursError, open_parts, read_schedules
from warehouse.calendar_tables import Calendar
from warehouse.lake import connect
from warehouse.metric import metrics
from warehouse.metric_values import MetricValue, Period, read_value

BERLIN = """
[[schedule]]
valid_from = 2026-01-01
zone = "Europe/Berlin"
holidays = [2026-04-06]
hours.monday = ["09:00-17:00"]
hours.tuesday = ["09:00-17:00"]
hours.wednesday = ["09:00-17:00"]
hours.thursday = ["09:00-17:00"]
hours.friday = ["09:00-17:00"]
"""
SHORTER = """
[[schedule]]
valid_from = 2026-04-01
zone = "Europe/Berlin"
hours.wednesday = ["10:00-12:00"]
"""


def open_record(folder: Path, text: str | None = BERLIN) -> Record:
    path = None
    if text is not None:
        path = folder / "hours.toml"
        path.write_text(text)
    settings = Settings(
        data=folder / "data", business_hours=path, handoff_expires_after=timedelta(days=30)
    )
    return Record(settings, Clock(datetime(2026, 12, 1, tzinfo=UTC)))


def handoff(requested_at: str, accepted_at: str) -> list[dict[str, object]]:
    """A handoff of imported history, with these UTC times."""
    return [
        *make_conversation(messages=1, happened_at=requested_at),
        make_event("handoff.requested", handoff_id="h1", happened_at=requested_at),
        make_event(
            "handoff.accepted", handoff_id="h1", participant_id="mira", happened_at=accepted_at
        ),
    ]


def pickup_wait(record: Record) -> MetricValue:
    """The wait in business hours over 2026."""
    metric = next(each for each in metrics() if each.name == "pickup_wait_in_business_hours")
    period = Period(date(2026, 1, 1), date(2026, 12, 1), date(2026, 12, 1))
    with connect(record.settings.warehouse_path) as con:
        return read_value(con, metric, period)[0]


@pytest.mark.parametrize(
    ("requested_at", "accepted_at", "seconds"),
    [
        # Friday 16:00 to Monday 10:00 in Berlin; the clocks change on Sunday.
        ("2026-03-27T15:00:00Z", "2026-03-30T08:00:00Z", 7200),
        # Within one day, and over a night.
        ("2026-03-25T10:00:00Z", "2026-03-25T10:00:30Z", 30),
        ("2026-03-25T15:30:00Z", "2026-03-26T08:10:00Z", 2400),
        # On a Saturday it is closed; Easter Monday is a holiday.
        ("2026-03-28T10:00:00Z", "2026-03-28T12:00:00Z", 0),
        ("2026-04-03T14:59:50Z", "2026-04-07T07:00:05Z", 15),
    ],
)
def test_a_wait_counts_only_while_the_business_is_open(
    tmp_path: Path, requested_at: str, accepted_at: str, seconds: int
) -> None:
    record = open_record(tmp_path)
    record.publish(handoff(requested_at, accepted_at))
    assert pickup_wait(record).value == seconds


def test_a_case_that_crosses_a_new_schedule_is_measured_by_both(tmp_path: Path) -> None:
    record = open_record(tmp_path, BERLIN + SHORTER)
    record.publish(handoff("2026-03-31T14:00:00Z", "2026-04-08T09:00:00Z"))
    an_hour_of_tuesday, two_hours, an_hour = 3600, 7200, 3600
    assert pickup_wait(record).value == an_hour_of_tuesday + two_hours + an_hour


def test_without_business_hours_the_duration_is_missing_and_not_zero(tmp_path: Path) -> None:
    record = open_record(tmp_path, None)
    record.publish(handoff("2026-03-25T10:00:00Z", "2026-03-25T10:00:30Z"))
    found = pickup_wait(record)
    assert (found.value, found.count, found.missing) == (None, 0, 1)


def test_a_case_before_the_first_schedule_is_missing(tmp_path: Path) -> None:
    record = open_record(tmp_path, SHORTER)
    record.publish(handoff("2026-03-25T10:00:00Z", "2026-04-01T09:00:00Z"))
    assert pickup_wait(record).missing == 1


def test_changed_hours_need_no_new_event_and_change_no_other_table(tmp_path: Path) -> None:
    record = open_record(tmp_path)
    record.publish(handoff("2026-04-07T10:00:00Z", "2026-04-08T09:00:00Z"))
    before = pickup_wait(record).value
    (tmp_path / "hours.toml").write_text(BERLIN + SHORTER)
    report = record.load()
    assert set(report.backfilled) == {"business_hours", "dates"}
    assert (before, pickup_wait(record).value) == (28800 - 3600 * 3 + 3600 * 2, 3600)


def test_every_day_has_its_bounds_and_its_open_time(tmp_path: Path) -> None:
    record = open_record(tmp_path)
    record.publish(make_conversation())
    days = {
        row["day"].isoformat(): row
        for row in record.query("select * from dates where year = 2026 order by day")
    }
    assert len(days) == 365
    friday = days["2026-03-27"]
    assert (friday["weekday"], friday["business_seconds"]) == (5, 28800)
    assert (friday["week_on"], friday["iso_week"]) == (date(2026, 3, 23), 13)
    assert days["2026-04-06"]["is_holiday"]
    assert days["2026-04-06"]["business_seconds"] == 0
    assert record.query("select business_seconds from dates where day = date '2025-12-31'") == [
        {"business_seconds": None}
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"it has no \[\[schedule\]\]"),
        ("[[schedule]", "Expected"),
        (BERLIN.replace("Europe/Berlin", "Berlin"), "zone: .*not a time zone"),
        (BERLIN.replace("hours.friday", "hours.fryday"), "not a weekday: fryday"),
        (BERLIN.replace("09:00-17:00", "17:00-09:00"), "ends after it starts"),
        (BERLIN.replace("09:00-17:00", "9 to 5"), "is not like 09:00-17:00"),
        (BERLIN + BERLIN, "two schedules have the same valid_from"),
        (BERLIN.replace("holidays", "holydays"), "holydays: Extra inputs"),
    ],
)
def test_a_wrong_file_is_answered_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_text(text)
    with pytest.raises(BusinessHoursError, match=problem):
        read_schedules(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BusinessHoursError, match=r"nowhere\.toml"):
        read_schedules(tmp_path / "nowhere.toml")


def parts_of(tmp_path: Path, text: str) -> list[tuple[datetime, datetime]]:
    path = tmp_path / "hours.toml"
    path.write_text(text)
    return [
        (each.opens_at, each.closes_at)
        for each in open_parts(read_schedules(path), date(2026, 6, 1))
    ]


SUNDAY = """
[[schedule]]
valid_from = 2026-03-28
zone = "Europe/Berlin"
hours.sunday = [{parts}]
"""


@pytest.mark.parametrize(
    ("parts", "hours"),
    [
        ('"00:00-24:00"', 23.0),
        ('"00:00-02:30", "03:00-24:00"', 23.0),
        ('"02:45-03:00"', 0.0),
        ('"02:00-02:30", "03:00-24:00"', 21.0),
    ],
)
def test_on_the_day_without_an_hour_nothing_counts_twice_or_backwards(
    tmp_path: Path, parts: str, hours: float
) -> None:
    found = parts_of(tmp_path, SUNDAY.format(parts=parts))
    day = [each for each in found if each[0] < datetime(2026, 3, 30, tzinfo=UTC)]
    assert sum((end - start).total_seconds() for start, end in day) == hours * 3600
    assert all(start < end for start, end in found)
    assert all(first[1] <= second[0] for first, second in pairwise(found))


def test_a_schedule_in_another_zone_begins_when_the_earlier_one_ends(tmp_path: Path) -> None:
    day = '["00:00-24:00"]'
    week = "\n".join(f"hours.{name} = {day}" for name in WEEKDAYS)
    new_york = f'[[schedule]]\nvalid_from = 2026-04-01\nzone = "America/New_York"\n{week}\n'
    tokyo = f'[[schedule]]\nvalid_from = 2026-05-01\nzone = "Asia/Tokyo"\n{week}\n'
    found = parts_of(tmp_path, new_york + tokyo)
    assert all(first[1] == second[0] for first, second in pairwise(found))


def test_the_order_of_the_holidays_changes_nothing(tmp_path: Path) -> None:
    days = ["2026-12-26", "2026-01-01", "2026-12-25"]
    hashes = set()
    for number, order in enumerate(permutations(days)):
        path = tmp_path / f"{number}.toml"
        path.write_text(BERLIN.replace("2026-04-06", ", ".join(order)))
        hashes.add(Calendar("UTC", read_schedules(path), 2026).hash())
    assert len(hashes) == 1
