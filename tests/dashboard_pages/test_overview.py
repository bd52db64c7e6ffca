"""The overview over a real warehouse, and its figures compared with the events."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboards import formatting
from dashboards.filter_state import Period, Scope
from dashboards.overview.data import load_overview
from ingest.settings import Settings
from tests.dashboard_app import messages_of, metrics
from tests.dashboard_pages.data_folder import settings_of, small
from tests.dashboard_pages.figures import figures, handoff_rates, in_period, started_conversations
from tests.dashboard_pages.stories import CHANNELS, DAYS, LAST_30, NOW
from tests.factories import Clock, Record, make_event


def test_the_headline_figures_agree_with_the_events(
    open_page: Callable[..., AppTest], history: Settings, events: pl.DataFrame
) -> None:
    app = open_page(history)
    now, before = figures(events, LAST_30), figures(events, LAST_30.before)
    rate, _ = handoff_rates(history.lake_path, LAST_30)
    rate_before, _ = handoff_rates(history.lake_path, LAST_30.before)
    shown = metrics(app)
    assert shown["Conversations"] == (
        f"{now['conversations']:,}",
        formatting.change(now["conversations"] / before["conversations"] - 1),
    )
    assert shown["Handoff rate"] == (
        formatting.share(rate),
        formatting.change_in_points(rate - rate_before),
    )
    assert shown["Pickup wait"] == (
        formatting.measure(now["wait_seconds"], "seconds"),
        formatting.change(now["wait_seconds"] / before["wait_seconds"] - 1),
    )


def test_the_page_shows_its_period_zone_and_freshness(
    open_page: Callable[..., AppTest], history: Settings, events: pl.DataFrame
) -> None:
    app = open_page(history)
    said = "\n".join(each.value for each in app.caption)
    assert "2 Mar 2030 to 31 Mar 2030 (Europe/Berlin)" in said
    assert "change against the 30 days before" in said
    assert "Newest event 31 Mar 2030, 14:16:00" in said
    assert f"{events.height:,} events loaded · nothing waits to be loaded" in said


def test_the_address_chooses_period_and_channel(
    open_page: Callable[..., AppTest], history: Settings, events: pl.DataFrame
) -> None:
    app = open_page(history, from_="2030-02-01", to="2030-02-20", channel=["sms", "web"])
    period = Period(date(2030, 2, 1), date(2030, 2, 20))
    chosen = events.filter(pl.col("channel").is_in(["sms", "web"]))
    assert metrics(app)["Conversations"][0] == f"{figures(chosen, period)['conversations']:,}"
    assert not app.info
    assert app.query_params["from"] == "2030-02-01"


def test_a_period_without_a_complete_previous_one_has_no_comparison(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, from_="2030-01-15", to="2030-03-20")
    assert {delta for _, delta in metrics(app).values()} == {""}
    assert any("no whole period before" in each.value for each in app.caption)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ({"from_": "yesterday"}, "“from” in the address is not a day"),
        ({"from_": "2030-03-20", "to": "2030-03-10"}, "has no day on record"),
        ({"from_": "1999-01-01", "to": "1999-12-31"}, "has no day on record"),
        ({"from_": "0001-01-01", "to": "9999-12-31"}, "longer than the record"),
        ({"channel": "<script>"}, "A channel in the address is not on record"),
        ({"channel": ["web", "![x](y)"]}, "A channel in the address is not on record"),
    ],
)
def test_an_invalid_query_parameter_is_dropped_with_a_hint(
    open_page: Callable[..., AppTest],
    history: Settings,
    address: dict[str, str | list[str]],
    hint: str,
) -> None:
    app = open_page(history, **address)
    assert hint in messages_of(app)
    assert len(app.metric) == 8
    assert not any(word in messages_of(app) for word in ("script", "yesterday", "![", "1999"))


def test_successive_choices_all_apply_and_are_all_in_the_url(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history)
    app.multiselect[0].select("web").run()
    app.multiselect[0].select("sms").run()
    app.date_input[0].set_value((date(2030, 3, 1), date(2030, 3, 9))).run()
    app.date_input[0].set_value((date(2030, 3, 2), date(2030, 3, 9))).run()
    assert not app.exception
    assert app.query_params["channel"] == ["sms", "web"]
    assert (app.query_params["from"], app.query_params["to"]) == ("2030-03-02", "2030-03-09")
    shared = open_page(history, **app.query_params)
    assert metrics(shared) == metrics(app)
    assert not app.warning
    app.switch_page("conversations/page.py").run()
    assert app.multiselect[0].value == ["sms", "web"]
    assert app.query_params["from"] == "2030-03-02"


def test_choosing_only_the_first_day_does_not_change_the_page(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history)
    before = metrics(app)
    app.date_input[0].set_value((date(2030, 3, 20),)).run()
    assert not app.exception
    assert metrics(app) == before


def test_the_series_agree_with_the_events_and_with_the_headline(
    history: Settings, events: pl.DataFrame
) -> None:
    whole = Period(LAST_30.before.first_on, LAST_30.last_on)
    found = load_overview(history.warehouse_path, Scope(LAST_30), whole)
    started = in_period(started_conversations(events), LAST_30)
    expected = started.group_by("on", "channel").len().sort("on", "channel")
    shown = found.conversations.filter(pl.col("conversations") > 0)
    assert shown.rows() == [tuple(row) for row in expected.rows()]
    assert found.conversations.height == 30 * len(CHANNELS)
    assert found.messages["messages"].sum() == figures(events, LAST_30)["messages"]
    assert found.conversations["conversations"].sum() == found.cards["conversations"].value
    assert found.by_hour["conversations"].sum() == found.cards["conversations"].value
    rate, by_channel = handoff_rates(history.lake_path, LAST_30)
    assert (
        dict(found.handoff_rate_by_channel.select("channel", "handoff_rate").rows()) == by_channel
    )
    assert found.cards["handoff_rate"].value == rate
    final = found.handoff_rate.select(pl.col("handed_off").sum(), pl.col("episodes").sum()).row(0)
    assert final[0] / final[1] == rate


def test_a_day_without_demands_has_no_rate_instead_of_zero(
    open_page: Callable[..., AppTest], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    days = ("2030-03-20T12:00:00Z", "2030-03-22T12:00:00Z")
    said = {"event_type": "message.created", "text": "hello"}
    Record(settings, Clock(NOW)).publish(
        {"conversation_id": f"c{at[8:10]}", "happened_at": at} | event
        for at in days
        for event in (
            {"event_type": "conversation.created", "channel": "web"},
            said | {"participant_id": "ada", "participant_role": "customer"},
            said | {"participant_id": "helper", "participant_role": "bot"},
            {"event_type": "conversation.resolved", "payload": {"resolved_by": "bot"}},
        )
    )
    period = Period(date(2030, 3, 20), date(2030, 3, 22))
    found = load_overview(settings.warehouse_path, Scope(period), period)
    assert found.handoff_rate["handoff_rate"].to_list() == [0.0, None, 0.0]
    assert found.cards["handoff_rate"].trend == (0.0, None, 0.0)
    assert found.cards["pickup_wait"].value is None
    assert metrics(open_page(settings))["Pickup wait"] == ("–", "")


@pytest.mark.parametrize(("days", "grain"), [(1, "day"), (62, "day"), (63, "week"), (421, "month")])
def test_the_grain_depends_on_the_length_of_the_period(days: int, grain: str) -> None:
    last_on = date(2030, 3, 31)
    assert Period(last_on - timedelta(days=days - 1), last_on).grain == grain


@pytest.mark.parametrize("grain_days", [DAYS, 3])
def test_no_grain_loses_a_conversation(
    history: Settings, events: pl.DataFrame, grain_days: int
) -> None:
    last_on = date(2030, 3, 31)
    period = Period(last_on - timedelta(days=grain_days - 1), last_on)
    found = load_overview(history.warehouse_path, Scope(period), period)
    assert (
        found.conversations["conversations"].sum()
        == in_period(started_conversations(events), period).height
    )


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
def test_hours_are_those_of_the_zone_whatever_its_offset(tmp_path: Path, zone: str) -> None:
    settings = settings_of(tmp_path).model_copy(update={"reporting_zone": zone})
    chosen = Random(8)  # noqa: S311
    began = [
        datetime(2030, 3, 1, tzinfo=UTC) + timedelta(seconds=chosen.randrange(60 * 86_400))
        for _ in range(300)
    ]
    created = [
        small(f"c{number}") | {"happened_at": at.isoformat()} for number, at in enumerate(began)
    ]
    Record(settings, Clock(datetime(2030, 5, 1, tzinfo=UTC))).publish(created)
    period = Period(date(2030, 2, 1), date(2030, 5, 31))
    found = load_overview(settings.warehouse_path, Scope(period), period).by_hour
    local = pl.DataFrame({"at": began}).select(pl.col("at").dt.convert_time_zone(zone))
    expected = local.group_by(
        weekday=pl.col("at").dt.weekday().cast(pl.Int64), hour=pl.col("at").dt.hour().cast(pl.Int64)
    ).len("conversations")
    assert found.rows() == expected.sort("weekday", "hour").rows()


def test_each_chart_of_a_metric_links_to_its_cases(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history)
    addresses = [each.proto.query_string for each in app.get("page_link")]
    assert addresses.count("metric=conversations") == 2  # the card and its chart
    assert addresses.count("metric=handoff_rate") == 3
    assert addresses.count("metric=handoff_reasons") == 1
    (said,) = [each.value for each in app.caption if "metric of the registry" in each.value]
    assert "Messages by role and the hours of the week have no metric" in said


@pytest.mark.parametrize(
    ("reasons", "said"), [(10, []), (12, ["The 10 most frequent of 12 reasons"])]
)
def test_reasons_that_the_chart_leaves_out_are_announced(
    open_page: Callable[..., AppTest], tmp_path: Path, reasons: int, said: list[str]
) -> None:
    settings = settings_of(tmp_path)
    Record(settings, Clock(NOW)).publish(
        [
            event
            for number in range(reasons)
            for event in (
                small(f"c{number}"),
                make_event(
                    "handoff.requested",
                    conversation_id=f"c{number}",
                    handoff_id=f"h{number}",
                    payload={"reason": f"reason_{number}"},
                ),
            )
        ]
    )
    app = open_page(settings)
    assert [each.value for each in app.caption if "most frequent" in each.value] == said
