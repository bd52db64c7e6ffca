"""The metrics page: the registry's metrics and definitions, equal to what `convolake metrics` prints."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from convolake.cli import app as command_line
from convolake.simulate import history
from dashboards import formatting
from ingest.settings import Settings
from tests.factories import Clock, Record
from warehouse.metric import metrics

APP = Path(__file__).parent.parent / "dashboards" / "app.py"
NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
FIRST_ON, LAST_ON = date(2026, 11, 16), date(2026, 11, 22)

Row = dict[str, Any]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three weeks of simulated conversations."""
    record = Record(Settings(data=tmp_path_factory.mktemp("page") / "data"), Clock(NOW))
    record.publish(sorted(history(3, 21, NOW), key=lambda event: str(event["happened_at"])))
    return record.settings


@pytest.fixture(scope="module")
def printed(simulated: Settings) -> list[Row]:
    """What the command prints of the last week."""
    arguments = ["metrics", "--json", "--from", str(FIRST_ON), "--until", str(LAST_ON)]
    result = CliRunner().invoke(
        command_line,
        [*arguments, "--as-of", str(LAST_ON)],
        env={"CONVOLAKE_DATA": str(simulated.data)},
    )
    assert result.exit_code == 0, result.output
    found: list[Row] = json.loads(result.stdout)
    return found


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, simulated: Settings) -> Callable[..., AppTest]:
    """Open the page of the last week at an address."""
    st.cache_data.clear()

    def run(**address: str) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(simulated.data))
        app = AppTest.from_file(str(APP), default_timeout=60).run()
        app.switch_page("metrics/page.py")
        week = {"from": str(FIRST_ON), "to": str(LAST_ON)}
        for key, value in (week | address).items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return run


def title_of(each: Row) -> str:
    breakdown = f": {formatting.quote(each['breakdown'])}" if each["breakdown"] else ""
    return f"{each['title']}{breakdown}"


def test_the_list_shows_what_the_command_prints(
    open_page: Callable[..., AppTest], printed: list[Row]
) -> None:
    listed = [row for table in open_page().dataframe for row in table.value.to_dict("records")]
    expected = {title_of(each): each for each in printed}
    stored = {metric.title for metric in metrics() if metric.is_stored}
    assert {row["title"] for row in listed} == {
        title for title, each in expected.items() if each["title"] in stored
    }
    for row in listed:
        of = expected[row["title"]]
        assert row["value"] == formatting.measure(of["value"], of["unit"])
        assert (row["cases"], row["missing"]) == (of["count"], of["missing"])
    containment = next(row for row in listed if row["title"] == "Containment")
    assert containment["cases"] > 20
    assert containment["change"].endswith("pp")


@pytest.mark.parametrize(
    "name",
    ["containment", "pickup_wait", "pickup_wait_in_business_hours", "handoff_reasons", "retention"],
)
def test_a_metric_opens_with_its_definition_values_and_sql(
    open_page: Callable[..., AppTest], printed: list[Row], name: str
) -> None:
    app = open_page(metric=name)
    metric = next(each for each in metrics() if each.name == name)
    shown = {each.value for each in app.text}
    assert {metric.question, metric.formula, metric.clock, metric.excludes} <= shown
    assert app.code[-1].value == metric.text.rstrip()
    of = [each for each in printed if each["metric"] == name]
    rows = app.dataframe[0].value.to_dict("records")
    assert len(rows) == len(of)
    for row, each in zip(rows, of, strict=True):
        for column in ("value", "p50", "p95"):
            assert row[column] == formatting.measure(each[column], metric.unit)


def test_an_unknown_metric_in_the_address_shows_the_list_with_a_hint(
    open_page: Callable[..., AppTest],
) -> None:
    app = open_page(metric="<b>containment</b>")
    assert [each.value for each in app.warning] == ["No metric has the name in the address."]
    assert len(app.dataframe) > 5


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "share", "–"),
        (0.5, "share", "50.0 %"),
        (4.25, "seconds", "4.2 s"),
        (3700, "seconds", "1 h 1 min"),
        (0.01234, "USD", "0.0123 USD"),
        (1234567, "tokens", "1,234,567 tokens"),
        (2.5, "turns", "2.50 turns"),
    ],
)
def test_a_value_is_shown_with_its_unit(value: float | None, unit: str, shown: str) -> None:
    assert formatting.measure(value, unit) == shown
