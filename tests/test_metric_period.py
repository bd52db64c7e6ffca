"""`convolake metrics` reads the record as the dashboard does, and says what is not on record."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from convolake import metric_period
from convolake.cli import app
from convolake.metric_period import DAYS, NAMES_SHOWN, MetricPeriodError, Wish, choose_period
from convolake.simulate import history
from dashboards.filter_state import Period as Days
from dashboards.filter_state import Scope
from dashboards.filters import DEFAULT_DAYS
from dashboards.metrics.data import load_detail
from dashboards.record_status import load_bounds
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event
from tests.independent_metrics import OPEN
from warehouse.record_bounds import RecordBounds

ENDED = datetime.now(UTC).replace(hour=15) - timedelta(days=5)
LOOKING_AHEAD = ("durable_bot_resolution", "reopen_rate", "contained_without_callback")
FIRST_ON, LAST_ON = date(2029, 1, 1), date(2029, 12, 31)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A record whose last conversations are five days old."""
    record = Record(Settings(data=tmp_path_factory.mktemp("ended") / "data"), Clock(ENDED))
    record.publish(sorted(history(5, 12, ENDED), key=lambda event: str(event["happened_at"])))
    return record.settings


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Conversations of two channels and two bots, on 1 and 3 January 2030, with business hours."""
    folder = tmp_path_factory.mktemp("small")
    hours = folder / "business_hours.toml"
    hours.write_text(OPEN)
    clock = Clock(datetime(2030, 1, 1, 10, 0, tzinfo=UTC))
    record = Record(Settings(data=folder / "data", business_hours=hours), clock)
    second = make_event(participant_id="expert", participant_role="bot", text="And this.")
    record.write([*make_conversation("c1", messages=2), make_event(), second])
    clock.forward(days=2)
    record.publish(make_conversation("c2", messages=1, channel="sms"))
    return record.settings


def run(settings: Settings, *arguments: str, code: int = 0) -> tuple[str, str]:
    """Output and messages of `convolake metrics`."""
    result = CliRunner().invoke(
        app, ["metrics", *arguments], env={"CONVOLAKE_DATA": str(settings.data)}
    )
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def read(settings: Settings, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(settings, *arguments, "--json")[0])
    return found


def error(settings: Settings, *arguments: str) -> str:
    printed, said = run(settings, *arguments, code=1)
    assert printed == ""
    return said.strip()


@pytest.mark.long
@pytest.mark.parametrize("name", LOOKING_AHEAD)
def test_a_record_that_ended_days_ago_has_the_values_of_the_dashboard(
    ended: Settings, name: str
) -> None:
    whole = load_bounds(ended.warehouse_path).period
    assert whole is not None
    (line,) = load_detail(ended.warehouse_path, name, Scope(whole.last(DEFAULT_DAYS)), whole).lines
    (value,) = read(ended, name)["metrics"]
    assert (value["value"], value["count"]) == (line["value"], line["count"])
    assert value["count"] > 0
    (later,) = read(ended, name, "--as-of", str(whole.last_on + timedelta(days=5)))["metrics"]
    assert later["count"] > value["count"]


def test_the_default_period_is_that_of_the_dashboard(small: Settings) -> None:
    whole = load_bounds(small.warehouse_path).period
    assert whole is not None
    found = read(small, "conversations")
    assert (found["first_on"], found["last_on"]) == (str(whole.first_on), str(whole.last_on))
    assert found["as_of"] == str(whole.last_on)


def bounds(**over: Any) -> RecordBounds:
    return replace(RecordBounds((FIRST_ON, LAST_ON), (), "UTC", (), (), ()), **over)


def test_a_period_has_thirty_days_by_default() -> None:
    period = choose_period(Wish(), bounds())
    assert Days(period.first_on, period.last_on) == Days(FIRST_ON, LAST_ON).last(DEFAULT_DAYS)
    assert (period.last_on - period.first_on).days + 1 == DAYS == DEFAULT_DAYS == 30
    assert choose_period(Wish(last_on=date(2029, 10, 31)), bounds()).first_on == date(2029, 10, 2)


def test_the_json_names_the_period_the_zone_and_the_business_hours(small: Settings) -> None:
    days = ("--from", "2030-01-01", "--until", "2030-01-02", "--as-of", "2030-02-01")
    found = read(small, "containment", *days)
    (value,) = found.pop("metrics")
    assert value["metric"] == "containment"
    assert found == {
        "first_on": "2030-01-01",
        "last_on": "2030-01-02",
        "as_of": "2030-02-01",
        "reporting_zone": "UTC",
        "business_hours": "Europe/Berlin",
    }


def test_without_business_hours_the_json_has_none() -> None:
    found = metric_period.as_dict(choose_period(Wish(), bounds()), bounds())
    assert found["business_hours"] is None


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--channel", "fax"], "there is no channel 'fax' on record; there are: 'sms', 'web'"),
        (["--bot", "nosuch"], "there is no bot 'nosuch' on record; there are: 'expert', 'helper'"),
        (["--bot-version", "9"], "there is no bot version '9' on record; there are: none"),
    ],
)
def test_a_filter_that_is_not_on_record_is_an_error_that_names_what_is(
    small: Settings, filters: list[str], said: str
) -> None:
    assert error(small, *filters) == said


def test_an_error_names_a_bounded_number_of_values() -> None:
    many = bounds(channels=tuple(f"channel_{number:02}" for number in range(NAMES_SHOWN + 2)))
    with pytest.raises(MetricPeriodError, match=r"'channel_00', .*'channel_19' and 2 more$"):
        choose_period(Wish(channel="fax"), many)


def test_a_bot_that_answered_second_is_on_record(small: Settings) -> None:
    assert "expert" in load_bounds(small.warehouse_path).bots
    (turns,) = read(small, "bot_latency", "--bot", "expert")["metrics"]
    assert turns["count"] == 1


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (
            ["--from", "2030-01-03", "--until", "2030-01-01"],
            "the period ends on 2030-01-01, before it begins on 2030-01-03",
        ),
        (
            ["--until", "2029-12-31"],
            "the period has no day on record; the record has 2030-01-01 to 2030-01-03",
        ),
        (
            ["--from", "2030-01-04"],
            "the period has no day on record; the record has 2030-01-01 to 2030-01-03",
        ),
    ],
)
def test_a_period_that_is_reversed_or_outside_of_the_record_is_an_error(
    small: Settings, days: list[str], said: str
) -> None:
    assert error(small, *days) == said


def test_a_period_longer_than_the_record_is_read_and_announced(small: Settings) -> None:
    printed, said = run(small, "conversations", "--json", "--from", "2029-06-01")
    (value,) = json.loads(printed)["metrics"]
    assert value["value"] == 2
    assert said.strip() == (
        "the period is longer than the record; the record has 2030-01-01 to 2030-01-03"
    )
    assert run(small, "conversations", "--json")[1] == ""


def test_a_record_without_a_conversation_says_so(record: Record) -> None:
    record.load()
    assert error(record.settings) == "there is no conversation on record yet"
