"""Two bots with one name of a version: each figure and each list tells them apart, by the bot's id."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.conversations.data import load_choices, load_conversations
from dashboards.filter_state import Period as Days
from dashboards.filter_state import Scope, Search
from ingest.settings import Settings
from tests.dashboard_app import show_page
from tests.factories import Clock, Record, make_event
from warehouse.lake import connect
from warehouse.metric import metrics
from warehouse.metric_cases import Selection, read_totals
from warehouse.metric_values import Period, read_stored, read_stored_by, read_value

pytestmark = pytest.mark.long

DAY = date(2030, 1, 1)
SCORES = {"helper": (5, 5, 1), "biller": (1,)}
"""Ratings of the conversations that each bot answers. Both have the version 1."""


def conversations() -> Iterator[dict[str, Any]]:
    for bot, scores in SCORES.items():
        speaker = {"participant_id": bot, "participant_role": "bot", "bot_version": "1"}
        for number, score in enumerate(scores):
            of = {"conversation_id": f"{bot}-{number}"}
            handoff = {"handoff_id": f"h-{bot}-{number}", "payload": {"reason": "policy"}}
            call = {"model": "m", "tokens": 10, "cost": 0.5}
            yield make_event("conversation.created", **of)
            yield make_event(**of)
            yield make_event(text="It is on its way.", **of, **speaker)
            yield make_event("bot.turn_completed", payload={"model_call": call}, **of, **speaker)
            yield make_event("handoff.requested", **of, **speaker, **handoff)
            yield make_event("feedback.submitted", payload={"score": score}, **of)
            yield make_event("conversation.resolved", payload={"resolved_by": "bot"}, **of)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    record = Record(Settings(data=tmp_path_factory.mktemp("bots") / "data"), Clock())
    record.publish(list(conversations()))
    return record.settings


@pytest.fixture(scope="module")
def con(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(settings.warehouse_path) as con:
        yield con


def period(bot: str | None = None) -> Period:
    return Period(DAY, DAY, date(2030, 2, 1), bot_id=bot)


@pytest.mark.parametrize("name", [each.name for each in metrics() if "bot_id" in each.columns])
def test_the_figures_of_the_bots_add_up_to_that_of_all(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    metric = next(each for each in metrics() if each.name == name)

    def sums(bot: str | None) -> tuple[float, int]:
        values = read_value(con, metric, period(bot))
        return sum(each.numerator for each in values), sum(each.count for each in values)

    parts = [sums(bot) for bot in SCORES]
    assert tuple(map(sum, zip(*parts, strict=True))) == sums(None)
    for bot in SCORES:
        totals = read_totals(con, metric, period(bot), Selection())
        assert totals.cases <= read_totals(con, metric, period(), Selection()).cases


def test_the_satisfaction_of_each_bot_and_of_each_version(con: duckdb.DuckDBPyConnection) -> None:
    (every,) = read_stored(con, period(), ["csat"])
    (helper,) = read_stored(con, period("helper"), ["csat"])
    assert (every.value, every.count) == (0.5, 4)
    assert (helper.numerator, helper.count) == (2, 3)
    by_bot = read_stored_by(con, period(), "bot_id", ["csat"])
    assert [(each.group, each.numerator, each.count) for each in by_bot] == [
        ("biller", 0, 1),
        ("helper", 2, 3),
    ]
    by_version = read_stored_by(con, period(), "bot_version", ["csat"])
    assert [(each.group, each.value) for each in by_version] == [("1", 0.5)]


def test_the_list_of_conversations_filters_by_the_bot_that_answered_first(
    settings: Settings,
) -> None:
    scope = Scope(Days(DAY, DAY))
    for bot, scores in SCORES.items():
        search = Search(bot_id=bot, bot_version="1")
        found = load_conversations(settings.warehouse_path, scope, search, 1)
        assert found.matches == len(scores)
    assert load_choices(settings.warehouse_path).bot_id == ("helper", "biller")


def open_page(page: str, **address: str) -> AppTest:
    return show_page(page, **address)


@pytest.fixture
def dashboard(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
    st.cache_data.clear()


@pytest.mark.usefixtures("dashboard")
def test_the_pages_filter_by_bot_and_keep_it_in_the_address() -> None:
    app = open_page("overview", bot_id="helper")
    shown = {each.label: each.value for each in app.metric}
    assert shown["Conversations"] == "3"
    (chosen,) = [each for each in app.selectbox if each.label == "Bot"]
    chosen.set_value("biller").run()
    assert {each.label: each.value for each in app.metric}["Conversations"] == "1"
    assert app.query_params["bot_id"] in ("biller", ["biller"])
    links = [each.proto.query_string for each in app.get("page_link")]
    assert any("bot_id=biller" in each and "metric=csat" in each for each in links)
