"""Overview, bot quality and cost: each figure is that of `convolake metrics`, and opens the rows it is made of."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from convolake.cli import app as command_line
from convolake.simulate import history
from dashboards import downloads, formatting
from dashboards.bot_quality.data import CARDS as BOT_CARDS
from dashboards.bot_quality.data import COMPARED, load_bot_quality
from dashboards.cost.data import CARDS as COST_CARDS
from dashboards.cost.data import load_cost
from dashboards.filter_state import Period, Scope
from dashboards.metrics import data as metrics_data
from dashboards.metrics.cases import address_of_case
from dashboards.overview.data import load_overview
from ingest.settings import Settings
from tests.dashboard_app import show_page
from tests.factories import Clock, Record, make_conversation, make_event
from tests.independent_metrics import walks_of
from warehouse.export_format import Format
from warehouse.intervals import wilson
from warehouse.metric import metrics
from warehouse.metric_cases import Selection

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
FIRST_ON, LAST_ON = date(2026, 11, 12), date(2026, 11, 21)
PERIOD = Period(FIRST_ON, LAST_ON)
WHOLE = Period(date(2026, 11, 1), date(2026, 11, 22))
OVERVIEW_CARDS = {
    "Conversations": "conversations",
    "Containment": "containment",
    "Handoff rate": "handoff_rate",
    "Customer satisfaction": "csat",
    "First response, bot": "bot_first_response",
    "First response, human": "human_first_response",
    "Pickup wait": "pickup_wait",
    "Cost of model calls": "model_cost_usd",
}
PAGES = {
    "overview": OVERVIEW_CARDS,
    "bot_quality": {label: name for name, label in BOT_CARDS.items()},
    "cost": {label: name for name, label in COST_CARDS.items()},
}

Row = dict[str, Any]
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three weeks of simulated conversations."""
    record = Record(Settings(data=tmp_path_factory.mktemp("figures") / "data"), Clock(NOW))
    record.publish(sorted(history(3, 21, NOW), key=lambda event: str(event["happened_at"])))
    return record.settings


def run_command(settings: Settings, *more: str, period: Period = PERIOD) -> dict[str, list[Row]]:
    """What `convolake metrics` prints of a period, by metric."""
    days = ["--from", str(period.first_on), "--until", str(period.last_on)]
    result = CliRunner().invoke(
        command_line,
        ["metrics", "--json", *days, *more],
        env={"CONVOLAKE_DATA": str(settings.data)},
    )
    assert result.exit_code == 0, result.output
    found: dict[str, list[Row]] = {}
    for each in json.loads(result.stdout)["metrics"]:
        found.setdefault(each["metric"], []).append(each)
    return found


@pytest.fixture(scope="module")
def printed(simulated: Settings) -> dict[str, list[Row]]:
    return run_command(simulated)


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, simulated: Settings) -> Open:
    """Open a page of the period at an address."""
    st.cache_data.clear()

    def run(page: str, settings: Settings = simulated, **address: Any) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
        days = {"from": str(FIRST_ON), "to": str(LAST_ON)} if settings is simulated else {}
        return show_page(page, **days | address)

    return run


def shown_value(each: Row) -> str:
    value = each["value"] if each["p50"] is None else each["p50"]
    if value is not None and each["unit"] in ("conversations", "tokens"):
        return f"{value:,.0f}"
    return formatting.measure(value, each["unit"])


def is_known(shown: str) -> bool:
    return any(character in "123456789" for character in shown)


def table(app: AppTest, column: str) -> list[Row]:
    """The rows of the table that has this column."""
    found: list[Row] = next(
        each.value.to_dict("records") for each in app.dataframe if column in each.value.columns
    )
    return found


@pytest.mark.parametrize("page", PAGES)
def test_each_card_shows_the_figure_that_the_command_prints(
    open_page: Open, simulated: Settings, printed: dict[str, list[Row]], page: str
) -> None:
    app = open_page(page)
    before = run_command(simulated, period=PERIOD.before)
    shown = {each.label: (each.value, each.delta) for each in app.metric}
    expected = {}
    for label, name in PAGES[page].items():
        (now,), (earlier,) = printed[name], before[name]
        percentile = "value" if now["p50"] is None else "p50"
        change = formatting.change_of(now[percentile], earlier[percentile], now["unit"])
        expected[label] = (shown_value(now), change or "")
    assert shown == expected
    assert sum(is_known(value) for value, _ in shown.values()) >= len(shown) - 1


@pytest.mark.parametrize("page", PAGES)
def test_a_filter_by_channel_and_version_changes_the_cards_as_it_changes_the_command(
    open_page: Open, simulated: Settings, page: str
) -> None:
    app = open_page(page, channel="web", bot_version="2.0")
    expected = run_command(simulated, "--channel", "web", "--bot-version", "2.0")
    shown = {each.label: each.value for each in app.metric}
    assert shown == {label: shown_value(expected[name][0]) for label, name in PAGES[page].items()}
    said = [each.value for each in app.caption]
    assert "not known by bot" not in said


@pytest.mark.parametrize("page", PAGES)
def test_each_card_links_to_its_cases_with_the_filters_of_the_page(
    open_page: Open, page: str
) -> None:
    app = open_page(page, channel=["web", "sms"])
    links = [each.proto for each in app.get("page_link")]
    addresses = [link.query_string for link in links if link.label == "Cases"]
    for name in PAGES[page].values():
        expected = f"from={FIRST_ON}&to={LAST_ON}&channel=sms&channel=web&metric={name}"
        assert expected in addresses


def test_a_card_its_list_and_its_file_have_the_same_cases(
    open_page: Open, simulated: Settings, printed: dict[str, list[Row]]
) -> None:
    scope = Scope(PERIOD)
    for name in dict.fromkeys(each for cards in PAGES.values() for each in cards.values()):
        (figure,) = printed[name]
        path = simulated.warehouse_path
        found = metrics_data.load_cases(path, name, scope, WHOLE, Selection(), 1)
        everything = metrics_data.load_all_cases(path, name, scope, WHOLE, Selection())
        for form, read in (
            (Format.csv, pl.read_csv),
            (Format.parquet, pl.read_parquet),
            (Format.jsonl, pl.read_ndjson),
        ):
            content = io.BytesIO(downloads.write(everything, form))
            assert read(content).height == found.totals.cases == everything.height
        upper = "numerator" if figure["unit"] == "share" else "value"
        assert everything[upper].sum() == pytest.approx(figure["numerator"])
        assert getattr(found.totals, upper) == pytest.approx(figure["numerator"])
    app = open_page("metrics", metric="containment")
    (containment,) = printed["containment"]
    said = next(each.value for each in app.caption if "together" in each.value)
    assert f"of {containment['count']:,} cases" in said
    assert f"together {containment['numerator']:,.0f} of {containment['count']:,}" in said


def test_the_list_of_cases_can_be_narrowed_and_keeps_that_in_the_address(
    open_page: Open, printed: dict[str, list[Row]]
) -> None:
    (containment,) = printed["containment"]
    app = open_page("metrics", metric="containment", part="other")
    rows = table(app, "conversation")
    assert {each["numerator"] for each in rows} == {0}
    missed = containment["count"] - containment["numerator"]
    assert any(f"of {missed:,.0f} cases" in each.value for each in app.caption)
    app = open_page("metrics", metric="handoff_reasons", of="customer_request")
    assert {each["breakdown"] for each in table(app, "conversation")} == {
        formatting.quote("customer_request")
    }
    chosen = next(each for each in app.selectbox if each.label == "Cases")
    chosen.select("counted").run()
    assert app.query_params["part"] == "counted"
    assert app.query_params["of"] == "customer_request"


def test_a_page_of_cases_follows_the_one_before(open_page: Open) -> None:
    first = table(open_page("metrics", metric="bot_latency", order="largest"), "conversation")
    second = table(
        open_page("metrics", metric="bot_latency", order="largest", cases="2"), "conversation"
    )
    assert len(first) == len(second) == metrics_data.PAGE_SIZE
    assert [each["conversation"] for each in first] != [each["conversation"] for each in second]


def test_a_row_of_cases_opens_the_transcript_at_its_event() -> None:
    case = {"conversation_id": "a&b=c", "sequence": 7}
    assert address_of_case(case) == {"conversation": "a&b=c", "message": "7"}
    assert address_of_case(case | {"sequence": None}) == {"conversation": "a&b=c"}


@pytest.mark.parametrize("name", ["completeness", "late_events"])
def test_a_metric_about_loads_says_that_it_has_no_conversations(open_page: Open, name: str) -> None:
    app = open_page("metrics", metric=name)
    assert any("not about conversations" in each.value for each in app.info)


def test_a_metric_says_how_many_rows_it_left_out_and_why(open_page: Open) -> None:
    app = open_page("metrics", metric="containment")
    (said,) = [each.value for each in app.text if "demands that are not over yet" in each.value]
    assert "test conversations" in said


def test_the_chart_of_a_share_by_day_is_no_whole_number(simulated: Settings) -> None:
    found = metrics_data.load_detail(
        simulated.warehouse_path, "containment", Scope(PERIOD), WHOLE
    ).days
    shares = (found["numerator"] / found["denominator"]).to_list()
    assert all(0.3 < each < 1 for each in shares)


def test_the_trend_of_a_card_is_the_figure_of_each_day(simulated: Settings) -> None:
    found = load_overview(simulated.warehouse_path, Scope(PERIOD), WHOLE).cards
    day = date(2026, 11, 17)
    place = (day - FIRST_ON).days
    of_day = run_command(simulated, period=Period(day, day))
    for name, figure in found.items():
        (expected,) = of_day[name]
        value = expected["value"] if expected["p50"] is None else expected["p50"]
        assert figure.trend[place] == pytest.approx(value)
        assert len(figure.trend) == PERIOD.days


def test_the_parts_of_containment_and_the_reasons_are_those_of_the_registry(
    simulated: Settings, printed: dict[str, list[Row]]
) -> None:
    found = load_overview(simulated.warehouse_path, Scope(PERIOD), WHOLE)
    assert sum(each.value or 0 for each in found.split) == pytest.approx(1)
    expected = {each["breakdown"]: each["value"] for each in printed["handoff_reasons"]}
    assert {each.breakdown: each.value for each in found.reasons} == expected
    values = [each.value or 0 for each in found.reasons]
    assert values == sorted(values, reverse=True)


def test_the_heat_map_has_every_conversation_in_its_hour(simulated: Settings) -> None:
    found = load_overview(simulated.warehouse_path, Scope(PERIOD), WHOLE).by_hour
    walks = [
        walk.started_at
        for walk in walks_of(simulated.lake_path)
        if FIRST_ON <= walk.started_at.date() <= LAST_ON
    ]
    hours = pl.DataFrame({"at": walks}).select(
        weekday=pl.col("at").dt.weekday(), hour=pl.col("at").dt.hour()
    )
    expected = {row[:2]: row[2] for row in hours.group_by("weekday", "hour").len().rows()}
    assert {row[:2]: row[2] for row in found.rows()} == expected


def test_intents_have_the_outcomes_that_the_command_prints(
    open_page: Open, printed: dict[str, list[Row]]
) -> None:
    rows = {each["intent"]: each for each in table(open_page("bot_quality"), "demands")}
    for name in ("handoff_rate_by_intent", "containment_by_intent", "csat_by_intent"):
        for each in printed[name]:
            assert rows[formatting.quote(each["breakdown"])][name] == formatting.share(
                each["value"]
            )
    counts = [each["demands"] for each in rows.values()]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == printed["containment"][0]["count"]


def test_abandonment_points_add_up_to_the_abandoned_demands(
    open_page: Open, printed: dict[str, list[Row]]
) -> None:
    rows = table(open_page("bot_quality"), "left")
    assert sum(each["left"] for each in rows) == printed["bot_abandonment"][0]["numerator"] > 0


def test_versions_are_compared_with_the_intervals_of_their_counts(
    open_page: Open, simulated: Settings
) -> None:
    month = Period(WHOLE.first_on, WHOLE.last_on)
    found = load_bot_quality(simulated.warehouse_path, Scope(month, (), "1.9"), WHOLE).versions
    assert set(found) == set(COMPARED)
    for version, figure in found["containment"].items():
        of_version = run_command(simulated, "--bot-version", version, period=month)
        assert figure.value == of_version["containment"][0]["value"]
        assert figure.count == of_version["containment"][0]["count"]
    app = open_page("bot_quality", **{"from": str(month.first_on), "to": str(month.last_on)})
    for row in table(app, "interval"):
        (version,) = [each for each in found["containment"] if each in row["version"]]
        figure = found["containment"][version]
        interval = wilson(round(figure.numerator), figure.count)
        assert interval is not None
        assert row["interval"] == (
            f"{formatting.share(interval.low)} to {formatting.share(interval.high)}"
        )
    assert [each["verdict"] for each in table(app, "interval")].count("base") == 1


def test_the_compared_share_and_the_base_stand_in_the_address(open_page: Open) -> None:
    month = {"from": str(WHOLE.first_on), "to": str(WHOLE.last_on)}
    app = open_page("bot_quality", share="fallback_rate", base="1.9", **month)
    rows = {each["version"]: each for each in table(app, "interval")}
    assert rows[formatting.quote("1.9")]["verdict"] == "base"
    assert not app.info


def test_latency_has_the_percentiles_of_the_facts(
    simulated: Settings, printed: dict[str, list[Row]]
) -> None:
    found = load_bot_quality(simulated.warehouse_path, Scope(PERIOD), WHOLE)
    assert found.cards["bot_latency"].value == printed["bot_latency"][0]["p50"]
    assert [each.of for each in found.latency_by_day] == [
        date(2026, 11, day) for day in range(12, 22)
    ]
    for each in found.latency_by_version:
        if each.of:
            (expected,) = run_command(simulated, "--bot-version", str(each.of))["bot_latency"]
            assert (each.p50, each.p95) == (expected["p50"], expected["p95"])


def test_the_cost_of_each_model_and_version_is_that_of_the_command(
    open_page: Open, simulated: Settings, printed: dict[str, list[Row]]
) -> None:
    found = load_cost(simulated.warehouse_path, Scope(PERIOD), WHOLE)
    expected = {each["breakdown"]: each["value"] for each in printed["model_cost_by_model_usd"]}
    assert {
        name: of["model_cost_by_model_usd"].value for name, of in found.models.items()
    } == expected
    assert expected["own-model"] is None
    total = printed["model_cost_usd"][0]["value"]
    assert sum(value for value in expected.values() if value) == pytest.approx(total)
    by_day = [each.value or 0 for each in found.days if each.name == "model_cost_by_model_usd"]
    assert sum(by_day) == pytest.approx(total)
    for version, of in found.versions.items():
        if version:
            (figure,) = run_command(simulated, "--bot-version", version)["model_cost_usd"]
            assert of["model_cost_usd"].value == pytest.approx(figure["value"])
    app = open_page("cost")
    rows = {each["name"]: each for each in table(app, "coverage")}
    assert rows[formatting.quote("own-model")]["cost"] is None or (
        rows[formatting.quote("own-model")]["cost"] == formatting.UNKNOWN
    )


def test_a_call_without_a_price_is_announced_and_never_free(
    open_page: Open, printed: dict[str, list[Row]]
) -> None:
    missing = printed["model_cost_usd"][0]["missing"]
    assert missing > 0
    (said,) = [each.value for each in open_page("cost").warning]
    assert said.startswith(f"{formatting.counted(missing, 'call')} without a price")
    assert "not free" in said


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse with one conversation of a customer alone."""
    record = Record(Settings(data=tmp_path_factory.mktemp("bare") / "data"), Clock(NOW))
    record.publish([make_event("conversation.created", channel="web"), make_event()])
    return record.settings


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("overview", "No handoff was requested"),
        ("bot_quality", "No bot answered in this period"),
        ("cost", "No model call is on record"),
    ],
)
def test_a_page_without_cases_says_what_to_do_and_shows_dashes(
    open_page: Open, bare: Settings, page: str, said: str
) -> None:
    app = open_page(page, settings=bare)
    assert any(said in each.value for each in app.info)
    values = [each.value for each in app.metric]
    assert values.count(formatting.UNKNOWN) >= len(values) - 1


def test_hostile_names_are_shown_as_text(open_page: Open, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)> ![x](http://evil.example/x.png)\u202e"
    version = "<img/src=x/onerror=alert(1)>![x](http://evil.example/x.png)"
    record = Record(Settings(data=tmp_path / "data"), Clock(NOW))
    model_call = {"model": hostile, "tokens": 5, "cost": 0.1}
    answer = make_event(
        participant_id="helper", participant_role="bot", bot_version=version,
        payload={"nlu": {"intent": hostile, "is_fallback": False}},
    )  # fmt: skip
    record.publish(
        [
            *make_conversation(messages=1),
            answer,
            make_event(
                "bot.turn_completed", payload={"model_call": model_call},
                participant_id="helper", participant_role="bot", bot_version=version,
            ),
            make_event("conversation.resolved", payload={"resolved_by": "bot"}),
        ]
    )  # fmt: skip
    for page, address in (
        ("overview", {}),
        ("bot_quality", {}),
        ("cost", {}),
        ("metrics", {"metric": "model_cost_by_model_usd", "of": hostile}),
        ("metrics", {"metric": "containment", "bot_version": version}),
    ):
        app = open_page(page, settings=record.settings, **address)
        said = [each.value for each in (*app.markdown, *app.caption, *app.info, *app.warning)]
        assert not [each for each in said if "evil" in each or "onerror" in each]
    assert table(app, "conversation")[0]["bot_version"] == formatting.quote(version)


@pytest.mark.parametrize(
    "address",
    [
        {"metric": "containment", "part": "'; drop table episodes; --"},
        {"metric": "handoff_reasons", "of": "' or 1=1 --"},
        {"metric": "containment", "cases": "-1"},
        {"metric": "containment", "order": "<script>"},
        {"bot_version": "99"},
    ],
)
def test_an_invalid_filter_in_the_address_is_left_out_with_a_hint(
    open_page: Open, address: dict[str, str]
) -> None:
    app = open_page("metrics", **address)
    assert any("left out" in each.value for each in app.info)
    assert app.dataframe


@pytest.mark.parametrize(
    "name", ["pickup_wait_in_business_hours", "retention", "model_tokens_per_durable_resolution"]
)
def test_a_metric_of_each_kind_opens_with_its_cases(open_page: Open, name: str) -> None:
    metric = next(each for each in metrics() if each.name == name)
    app = open_page("metrics", metric=name, **{"from": str(WHOLE.first_on)})
    assert metric.title in [each.value for each in app.subheader]
    assert table(app, "conversation") or app.info
