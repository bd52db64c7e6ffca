"""The pages for analysts: metrics equal to what `convolake metrics` prints, handoffs equal to the events."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from convolake.cli import app as command_line
from convolake.simulate import history
from dashboards import formatting
from dashboards.filter_state import Period, Scope
from dashboards.handoffs.data import behind, load_handoffs
from ingest.settings import Settings
from tests.dashboard_app import show_page
from tests.factories import Clock, Record
from tests.independent_metrics import seconds, walks_of
from warehouse.metric import metrics

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
FIRST_ON, LAST_ON = date(2026, 11, 16), date(2026, 11, 22)
WEEK = Scope(Period(FIRST_ON, LAST_ON))

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
        arguments,
        env={"CONVOLAKE_DATA": str(simulated.data)},
    )
    assert result.exit_code == 0, result.output
    found: list[Row] = json.loads(result.stdout)["metrics"]
    return found


@pytest.fixture(scope="module")
def handoffs(simulated: Settings) -> list[Row]:
    """Every handoff requested in the last week, followed event by event."""
    walks = walks_of(simulated.lake_path)
    followed = [
        each
        for walk in walks
        for each in walk.handoffs.values()
        if FIRST_ON <= each.requested_at.date() <= LAST_ON
    ]
    return [
        {
            "reason": each.reason,
            "at": each.requested_at,
            "wait": None
            if each.accepted_at is None
            else seconds(each.requested_at, each.accepted_at),
            "is_answered": each.is_answered,
            "ended_by": each.ended_by,
        }
        for each in followed
    ]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, simulated: Settings) -> Callable[..., AppTest]:
    """Open a page of the last week at an address."""
    st.cache_data.clear()

    def run(page: str = "metrics", **address: str) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(simulated.data))
        week = {"from": str(FIRST_ON), "to": str(LAST_ON)}
        return show_page(page, **week | address)

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


def test_the_list_says_whether_there_is_a_period_before_to_compare_with(
    open_page: Callable[..., AppTest],
) -> None:
    for first_on, said in (
        (FIRST_ON, "change against the 7 days before"),
        (date(2026, 11, 3), "no whole period before on record to compare with"),
    ):
        app = open_page(**{"from": str(first_on)})
        assert any(said in each.value for each in app.caption)
        changes = [each for table in app.dataframe for each in table.value["change"].to_list()]
        assert any(changes) == said.startswith("change")


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


def test_the_funnel_counts_every_handoff_at_the_stage_that_it_reached(
    simulated: Settings, handoffs: list[Row]
) -> None:
    funnel = load_handoffs(simulated.warehouse_path, WEEK, WEEK.period).funnel
    accepted = [each for each in handoffs if each["wait"] is not None]
    assert funnel["requested"] == len(handoffs) > 50
    assert funnel["accepted"] == len(accepted) > 0
    assert funnel["replied"] == sum(each["is_answered"] for each in handoffs)
    left = [each for each in handoffs if each["wait"] is None and each["ended_by"] == "customer"]
    assert funnel["abandoned"] == len(left) > 0
    ended = Counter(each["ended_by"] for each in handoffs)
    assert funnel["finished"] > 0
    assert funnel["finished"] + funnel["returned"] + funnel["expired"] <= len(handoffs) - len(left)
    assert ended["customer"] >= len(left)
    assert funnel["open_now"] == sum(each["ended_by"] is None for each in handoffs)


def test_the_waits_and_reasons_are_those_of_the_events(
    simulated: Settings, handoffs: list[Row]
) -> None:
    found = load_handoffs(simulated.warehouse_path, WEEK, WEEK.period)
    steps = {1: 0, 2: 30, 3: 60, 4: 120, 5: 300, 6: 900, 7: 3600}
    waits = [each["wait"] for each in handoffs if each["wait"] is not None]
    expected = Counter(
        max(step for step, least in steps.items() if wait >= least) for wait in waits
    )
    accepted = found.waits.filter(pl.col("clock") == "to acceptance")
    assert dict(accepted.select("step", "handoffs").rows()) == expected
    reasons = Counter(each["reason"] for each in handoffs)
    assert dict(found.reasons.select("name", "requested").rows()) == reasons
    assert found.reasons["requested"].is_sorted(descending=True)
    assert found.queues["requested"].sum() == len(handoffs)


def test_the_heat_map_has_every_request_in_its_hour(
    simulated: Settings, handoffs: list[Row]
) -> None:
    found = load_handoffs(simulated.warehouse_path, WEEK, WEEK.period).by_hour
    expected = Counter((each["at"].isoweekday(), each["at"].hour) for each in handoffs)
    assert {row[:2]: row[2] for row in found.rows()} == expected


def test_the_handoffs_page_shows_the_tables_and_says_when_there_is_none(
    open_page: Callable[..., AppTest], handoffs: list[Row]
) -> None:
    app = open_page("handoffs")
    assert [each.value for each in app.subheader][-2:] == ["Reasons", "Queues"]
    assert app.dataframe[0].value["requested"].sum() == len(handoffs)
    assert not app.info
    app = open_page("handoffs", channel="fax")
    assert "A channel in the address is not on record" in app.info[0].value
    assert any("hour (UTC)" in each.value for each in open_page("handoffs").caption)


def test_a_reason_opens_its_handoffs(
    open_page: Callable[..., AppTest], simulated: Settings
) -> None:
    name, requested = load_handoffs(simulated.warehouse_path, WEEK, WEEK.period).reasons.row(0)[:2]
    app = open_page("metrics", **(behind("reasons", name, WEEK.period) or {}))
    assert any(f"of {requested:,} cases" in each.value for each in app.caption)
