"""The dashboard pages over a real warehouse, and their figures compared with the events."""

import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards import formatting, warehouse_reader
from dashboards.conversations import descriptions
from dashboards.conversations.data import (
    PAGE_SIZE,
    load_all_conversations,
    load_conversations,
    load_transcript,
)
from dashboards.downloads import write
from dashboards.filter_state import Period, Scope, Search, Sort
from dashboards.overview.data import load_overview
from dashboards.serve import command
from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.api_server import Installation, wait_until
from tests.factories import Clock, Record, free_port
from tests.independent_metrics import walks_of
from warehouse.export_format import Format

APP = Path(__file__).parent.parent / "dashboards" / "app.py"
NOW = datetime(2030, 3, 31, 12, 0, tzinfo=UTC)
"""Berlin puts its clocks forward on this day, so the day has 23 hours."""
ZONE = "Europe/Berlin"
DAYS = 80
CHANNELS = ("email", "sms", "web")
LAST_30 = Period(date(2030, 3, 2), date(2030, 3, 31))


def hostile_text(beacon: str) -> str:
    return (
        f"![x]({beacon}) <img src={beacon}> <script>fetch('{beacon}')</script> "
        f"[l]({beacon}) **bold** :smile: \u202egnp.exe\u202c zero\u200bwidth"
    )


def make_story(number: int, random: Random) -> Iterator[dict[str, Any]]:
    """One conversation somewhere in the DAYS before NOW, at any hour of the day."""
    started = NOW - timedelta(seconds=random.randrange(3600, DAYS * 86_400))
    of = {"conversation_id": f"c{number:03}"}
    at = started

    def event(event_type: str, **more: Any) -> dict[str, Any]:
        return of | {"event_type": event_type, "happened_at": at.isoformat()} | more

    people = [
        {"participant_id": "ada", "participant_role": "customer"},
        {"participant_id": "helper", "participant_role": "bot"},
    ]
    yield event(
        "conversation.created",
        channel=random.choice(CHANNELS),
        contact_id=f"person-{number % 50}",
        is_test=number % 12 == 0,
        payload={"participants": people},
    )
    for turn in range(random.randrange(1, 5)):
        at += timedelta(minutes=random.choice((1, 2, 45)))
        yield event("message.created", participant_id="ada", text=f"question {turn}")
        yield event("message.created", participant_id="helper", text=f"answer {turn}")
    if number % 3 == 0:
        handoff = {"handoff_id": f"h{number}"}
        yield event("handoff.requested", **handoff, queue="billing", payload={"reason": "policy"})
        at += timedelta(seconds=random.randrange(5, 400))
        if number % 2 == 0:
            agent = {"participant_id": "agent-1", "participant_role": "agent"}
            yield event("handoff.accepted", **handoff, **agent)
            yield event("message.created", **agent, text="an agent here")
            yield event("message.created", **agent, text="be kind", visibility="internal")


def hostile_conversation(beacon: str) -> list[dict[str, Any]]:
    """A conversation with every kind of transcript entry, and with hostile text."""
    of = {"conversation_id": "hostile", "happened_at": (NOW - timedelta(hours=2)).isoformat()}
    eve = {"participant_id": "eve", "participant_role": "customer"}
    text = hostile_text(beacon)
    later = {"happened_at": (NOW - timedelta(hours=2) + timedelta(seconds=63)).isoformat()}
    given: list[dict[str, Any]] = [
        {"event_type": "conversation.created", "channel": "web"},
        {"event_type": "message.created", "message_id": "m1", "text": text, **eve},
        {"event_type": "message.created", "message_id": "m2", "text": "a secret", **eve},
        {"event_type": "message.deleted", "message_id": "m2"},
        {"event_type": "message.created", "message_id": "m3", "text": "first try", **eve},
        {"event_type": "message.edited", "message_id": "m3", "text": "second try"},
        {"event_type": "message.delivered", "message_id": "m3"},
        {"event_type": "message.failed", "message_id": "m1", "payload": {"error_code": text}},
        {"event_type": "bot.tool_called", "payload": {"tool": text, "result": text}},
        {
            "event_type": "message.created", "message_id": "m4", **eve,
            "payload": {"attachments": [{"url": beacon, "name": text}], "nlu": {"intent": text}},
        },
        {"event_type": "handoff.requested", "handoff_id": "h", "queue": "billing",
         "payload": {"reason": text}},
        {"event_type": "handoff.accepted", "handoff_id": "h", "participant_id": "agent-1",
         "participant_role": "agent", **later},
        {"event_type": "message.created", "participant_id": "agent-1", "text": "a note",
         "visibility": "internal", **later},
        {"event_type": "feedback.submitted", "payload": {"score": 2, "comment": text}, **later},
        {"event_type": "custom.coupon_used", "payload": {"code": text}, **later},
        {"event_type": "conversation.state_changed", "payload": {"to": "closed"}, **later},
    ]  # fmt: skip
    return [of | event for event in given]


ACCENTED = " U\u0308bergro\u0308ße CAFE\u0301"
"""Words with accents as characters of their own (Unicode form NFD)."""


def long_conversation(messages: int) -> list[dict[str, Any]]:
    """A conversation too long for one part."""
    of = {"conversation_id": "long", "happened_at": (NOW - timedelta(hours=1)).isoformat()}
    said = {
        "event_type": "message.created",
        "participant_id": "ada",
        "participant_role": "customer",
    }
    return [
        of | {"event_type": "conversation.created", "channel": "sms"},
        *(
            of | said | {"text": f"line {number}" + (ACCENTED if number == 150 else "")}
            for number in range(1, messages + 1)
        ),
    ]


class Beacon:
    """A server that records requests for URLs in messages."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/beacon.png"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def settings_of(folder: Path) -> Settings:
    return Settings(data=folder, reporting_zone=ZONE)


@pytest.fixture(scope="module")
def beacon() -> Iterator[Beacon]:
    listener = Beacon()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, beacon: Beacon) -> Settings:
    """A data folder with a realistic history; tests must not change it."""
    settings = settings_of(tmp_path_factory.mktemp("dashboards") / "data")
    random = Random(7)  # noqa: S311 (a story, not a secret)
    written = [event for number in range(300) for event in make_story(number, random)]
    written += hostile_conversation(beacon.url) + long_conversation(230)
    record = Record(settings, Clock(NOW))
    answers = record.write(sorted(written, key=lambda event: event["happened_at"]))
    assert {answer.status for answer in answers} == {"accepted"}
    record.clock.forward(minutes=16)  # imported sessions end then, and with them the demands
    record.run_due()
    record.seal(rows=1000)
    record.load()
    return settings


@pytest.fixture
def events(history: Settings) -> pl.DataFrame:
    """The events, read from Parquet by Polars: an independent source for every figure."""
    segments, _ = read_manifest(history.lake_path)
    files = [history.lake_path / segment.path for segment in segments]
    zoned = pl.col("happened_at").dt.convert_time_zone(ZONE)
    return pl.concat([pl.read_parquet(file) for file in files]).with_columns(on=zoned.dt.date())


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_data.clear()


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, audit_api: Installation) -> Callable[..., AppTest]:
    """Open a page of a data folder at an address, as a browser would for the first time."""
    for name, value in audit_api.environment.items():
        monkeypatch.setenv(name, value)

    def run(settings: Settings, page: str = "overview", **address: str | list[str]) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
        app = AppTest.from_file(str(APP), default_timeout=60).run()
        app.switch_page(f"{page}/page.py")
        for key, value in address.items():
            app.query_params[key.rstrip("_")] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return run


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    return {each.label: (each.value, each.delta) for each in app.metric}


def messages_of(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.info, *app.warning, *app.error))


def texts(app: AppTest) -> list[str]:
    """What `st.text` shows, without the marks that keep directions apart."""
    return [re.sub("[\u2068\u2069]", "", each.value) for each in app.text]


def started_conversations(events: pl.DataFrame) -> pl.DataFrame:
    """One row per conversation that counts: day and channel."""
    return events.filter(pl.col("event_type") == "conversation.created", ~pl.col("is_test")).select(
        "conversation_id",
        "on",
        "channel",
    )


def handoff_rates(lake: Path, period: Period) -> tuple[float, dict[str, float]]:
    """The handoff rate of all demands and of each channel, by other code than the metric's."""
    channels: dict[str, list[float]] = {}
    for walk in walks_of(lake, ZONE):
        for case in walk.cases():
            is_within = period.first_on <= case.day <= period.last_on
            if case.metric == "handoff_rate" and is_within:
                channels.setdefault(walk.events[0]["channel"], []).append(case.numerator or 0)
    every = [each for cases in channels.values() for each in cases]
    rates = {name: sum(cases) / len(cases) for name, cases in sorted(channels.items())}
    return sum(every) / len(every), rates


def in_period(frame: pl.DataFrame, period: Period) -> pl.DataFrame:
    return frame.filter(pl.col("on").is_between(period.first_on, period.last_on))


def figures(events: pl.DataFrame, period: Period) -> dict[str, float]:
    """The headline, computed by Polars from the events alone."""
    counted = in_period(events.filter(~pl.col("is_test")), period)
    kinds = counted.group_by("event_type").len()
    of = dict(zip(kinds["event_type"], kinds["len"], strict=True))
    internal = counted.filter(
        pl.col("event_type") == "message.created", pl.col("visibility") == "internal"
    ).height
    started = in_period(started_conversations(events), period)
    asked = counted.filter(pl.col("event_type") == "handoff.requested")
    accepted = events.filter(pl.col("event_type") == "handoff.accepted")
    waits = asked.join(accepted, on=["conversation_id", "handoff_id"]).select(
        (pl.col("happened_at_right") - pl.col("happened_at")).dt.total_seconds()
    )
    return {
        "conversations": started.height,
        "messages": of["message.created"] - internal,
        "sessions": of["session.started"],
        "wait_seconds": float(waits.to_series().median()),  # type: ignore[arg-type]
    }


# --- the overview ---------------------------------------------------------------------


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


# --- the conversations ----------------------------------------------------------------


def test_the_list_shows_the_newest_first_without_tests(
    open_page: Callable[..., AppTest], history: Settings, events: pl.DataFrame
) -> None:
    app = open_page(history, "conversations")
    shown = app.dataframe[0].value
    assert list(shown["conversation_id"])[:2] == ["long", "hostile"]
    assert len(shown) == PAGE_SIZE
    matches = in_period(started_conversations(events), LAST_30).height
    assert any(f"1 to 25 of {matches} conversations" in each.value for each in app.caption)


def test_the_pages_of_the_list_hold_every_conversation_once(
    history: Settings, events: pl.DataFrame
) -> None:
    scope = Scope(Period(date(2030, 1, 1), date(2030, 3, 31)))
    first = load_conversations(history.warehouse_path, scope, Search(with_tests=True), 1)
    pages = [
        load_conversations(history.warehouse_path, scope, Search(with_tests=True), number)
        for number in range(1, first.pages + 1)
    ]
    listed = pl.concat([page.rows for page in pages])
    assert listed["conversation_id"].n_unique() == listed.height == first.matches
    assert set(listed["conversation_id"]) == set(events["conversation_id"])
    assert listed["started_at"].is_sorted(descending=True)
    beyond = load_conversations(history.warehouse_path, scope, Search(with_tests=True), 999)
    assert beyond.number == first.pages


def test_paging_changes_the_url_and_a_new_filter_starts_at_page_one(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations")
    app.pagination[0].set_value(2).run()
    app.pagination[0].set_value(3).run()
    assert app.query_params["page"] == "3"
    assert any("51 to 75 of" in each.value for each in app.caption)
    app.selectbox[1].select("no").run()
    app.text_input[0].set_value("answer").run()
    assert not app.exception
    assert "page" not in app.query_params
    assert any("1 to 25 of" in each.value for each in app.caption)
    assert app.query_params["handed_off"] == "no"
    assert app.query_params["search"] == "answer"


def test_a_choice_can_be_taken_back_and_made_again(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations")
    for chosen in (True, False, True):
        app.toggle(key="with tests").set_value(chosen).run()
        app.text_input[0].set_value("answer" if chosen else "").run()
        assert app.toggle(key="with tests").value == chosen
        assert ("tests" in app.query_params, "search" in app.query_params) == (chosen, chosen)


def listed(settings: Settings, search: Search, period: Period = LAST_30) -> list[str]:
    """Every matching conversation, in order."""
    scope = Scope(period)
    first = load_conversations(settings.warehouse_path, scope, search, 1)
    pages = [
        load_conversations(settings.warehouse_path, scope, search, number).rows
        for number in range(1, first.pages + 1)
    ]
    return list(pl.concat(pages)["conversation_id"])


def handoffs_of(events: pl.DataFrame) -> list[dict[str, Any]]:
    """Every handoff with what the filters ask, from the events alone."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    steps = events.filter(pl.col("handoff_id").is_not_null()).sort("sequence")
    for event in steps.iter_rows(named=True):
        of = found.setdefault((event["conversation_id"], event["handoff_id"]), {})
        payload = json.loads(event["payload"] or "{}")
        if event["event_type"] == "handoff.requested":
            of |= {"conversation_id": event["conversation_id"], "on": event["on"]}
            of |= {
                "reason": payload.get("reason"),
                "queue": event["queue"],
                "at": event["happened_at"],
            }
        elif event["event_type"] == "handoff.accepted" and "agent_id" not in of:
            waited = event["happened_at"] - of["at"]
            of |= {"agent_id": event["participant_id"], "wait": waited.total_seconds()}
    return list(found.values())


def test_the_filters_of_a_handoff_are_about_one_and_the_same_handoff(
    history: Settings, events: pl.DataFrame
) -> None:
    begun = set(in_period(started_conversations(events), LAST_30)["conversation_id"])
    handoffs = [each for each in handoffs_of(events) if each["conversation_id"] in begun]
    agent = next(each["agent_id"] for each in handoffs if "agent_id" in each)
    reason = next(each["reason"] for each in handoffs if each.get("agent_id") == agent)
    expected = {
        each["conversation_id"]
        for each in handoffs
        if (each.get("agent_id"), each["reason"]) == (agent, reason) and each["wait"] >= 60
    }
    search = Search(agent_id=agent, reason=reason, min_wait_seconds=60)
    assert set(listed(history, search)) == expected
    assert 0 < len(expected) < len(begun)
    accepted = {each["conversation_id"] for each in handoffs if "agent_id" in each}
    assert set(listed(history, Search(outcome="accepted"))) == accepted


def test_the_list_is_filtered_by_the_last_rating(history: Settings, events: pl.DataFrame) -> None:
    begun = set(in_period(started_conversations(events), LAST_30)["conversation_id"])
    rated: dict[str, float] = {}
    ratings = events.filter(pl.col("event_type") == "feedback.submitted").sort("sequence")
    for event in ratings.iter_rows(named=True):
        rated[event["conversation_id"]] = json.loads(event["payload"])["score"]
    negative = {name for name, score in rated.items() if score < 4} & begun
    assert negative
    assert set(listed(history, Search(rating="negative"))) == negative
    assert set(listed(history, Search(rating="none"))) == begun - set(rated)


def test_a_conversation_is_found_in_a_period_in_which_it_only_continued(
    history: Settings, events: pl.DataFrame
) -> None:
    period = Period(date(2030, 3, 15), date(2030, 3, 15))
    counted = events.filter(~pl.col("is_test"))
    bounds = counted.group_by("conversation_id").agg(pl.col("on").min().alias("first"), pl.col("on").max().alias("last"))  # fmt: skip
    day = date(2030, 3, 15)
    active = bounds.filter((pl.col("first") <= day) & (pl.col("last") >= day))["conversation_id"]
    assert set(listed(history, Search(is_active=True), period)) == set(active)
    assert set(listed(history, Search(), period)) < set(active)


def test_a_download_has_the_rows_of_all_pages_in_their_order(history: Settings) -> None:
    search = Search(rating="none", sort="most_messages")
    rows = load_all_conversations(history.warehouse_path, Scope(LAST_30), search)
    assert list(rows["conversation_id"]) == listed(history, search)
    assert rows.height > PAGE_SIZE
    read_back = pl.read_parquet(io.BytesIO(write(rows, Format.parquet)))
    assert read_back.equals(rows)
    lines = [json.loads(line) for line in write(rows, Format.jsonl).decode().splitlines()]
    assert [each["conversation_id"] for each in lines] == list(rows["conversation_id"])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1"])
def test_a_csv_file_has_no_formula(text: str) -> None:
    frame = pl.DataFrame({"conversation_id": [text, "c1"], "count": [-1, 2]})
    read_back = pl.read_csv(io.BytesIO(write(frame, Format.csv)))
    assert read_back["conversation_id"].to_list() == [f"'{text}", "c1"]
    assert read_back["count"].to_list() == [-1, 2]


@pytest.mark.parametrize(
    ("sort", "column", "descending"),
    [
        ("oldest", "started_at", False),
        ("most_messages", "message_count", True),
        ("longest_wait", "wait_seconds", True),
        ("lowest_rating", "feedback_score", False),
    ],
)
def test_the_list_is_sorted_over_all_pages(
    history: Settings, sort: Sort, column: str, descending: bool
) -> None:
    search = Search(sort=sort)
    found = [
        load_conversations(history.warehouse_path, Scope(LAST_30), search, number).rows
        for number in (1, 2, 3)
    ]
    values = pl.concat(found)[column]
    assert values.len() == 3 * PAGE_SIZE
    assert values.is_sorted(descending=descending, nulls_last=True)


def test_a_low_rated_handoff_of_last_week_is_found_by_choices_and_by_the_link(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations")
    labels = [each.label for each in app.selectbox]
    app.selectbox[labels.index("Last rating")].select("negative").run()
    app.selectbox[labels.index("Outcome of a handoff")].select("accepted").run()
    assert not app.exception
    chosen = {"rating": "negative", "outcome": "accepted"}
    assert {key: app.query_params[key] for key in chosen} == chosen
    again = open_page(history, "conversations", rating="negative", outcome="accepted")
    assert list(again.dataframe[0].value["conversation_id"]) == list(
        app.dataframe[0].value["conversation_id"]
    )


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(text="HOSTILE"), {"hostile"}),
        (Search(text="second TRY"), {"hostile"}),
        (Search(text="a secret"), set()),
        (Search(text="%"), set()),
        (Search(text="' or 1=1 --"), set()),
        (Search(text="übergröße"), {"long"}),
        (Search(text="Café"), {"long"}),
        (Search(text="cafe"), {"long"}),
        (Search(state="closed"), {"hostile"}),
        (Search(text="line 230", is_handed_off=False), {"long"}),
        (Search(text="line 230", is_handed_off=True), set()),
    ],
)
def test_each_filter_finds_the_matching_conversations(
    history: Settings, search: Search, found: set[str]
) -> None:
    page = load_conversations(history.warehouse_path, Scope(LAST_30), search, 1)
    assert set(page.rows["conversation_id"]) == found


@pytest.mark.parametrize(
    ("payload", "queue", "to"),
    [
        ('{"to_participant_id": "sofia"}', None, "sofia"),
        (None, "billing", "billing"),
    ],
)
def test_a_transfer_shows_both_agents(payload: str | None, queue: str | None, to: str) -> None:
    row = {"event_type": "handoff.transferred", "participant_id": "mira", "queue": queue}
    said = descriptions.describe(row | {"payload": payload})
    assert said == f"Handoff transferred by {formatting.quote('mira')} to {formatting.quote(to)}"


def test_a_transcript_shows_messages_with_their_authors_and_events(
    open_page: Callable[..., AppTest], history: Settings, beacon: Beacon
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    shown = texts(app)
    revealed = formatting.reveal(hostile_text(beacon.url))
    assert revealed in shown
    assert "⟨U+202E⟩gnp.exe⟨U+202C⟩ zero⟨U+200B⟩width" in revealed
    assert "This message was deleted." in shown
    assert not any("a secret" in line for line in shown)
    folded = [each.value for part in app.expander for each in part.text]
    assert shown.count("first try") == folded.count("first try") == 1  # the text before an edit
    assert "second try" in shown
    assert "Delivered 12:00:00" in shown
    assert "12:00:00  Session 1 started" in shown
    assert any(line.endswith("queue billing") and "Handoff requested: " in line for line in shown)
    assert "12:01:03  Handoff accepted by agent-1 after 1 min 3 s" in shown
    assert "12:01:03  Session ended: conversation closed" in shown
    assert any("Internal note" in each.value for each in app.markdown)  # a badge with a fixed text
    assert any("conversation=hostile" in each.value for each in app.code)


def test_user_text_is_never_rendered_as_markdown_or_html(
    open_page: Callable[..., AppTest], history: Settings, beacon: Beacon
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    rendered = [
        element.value  # type: ignore[union-attr]
        for kind in (
            "markdown",
            "caption",
            "title",
            "subheader",
            "header",
            "info",
            "warning",
            "error",
        )
        for element in app.get(kind)
    ]
    assert rendered
    assert not any(beacon.url in str(value) or "<script" in str(value) for value in rendered)


def test_a_long_transcript_is_paged_without_a_gap(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations", conversation="long", part="2")
    assert any("Part 2 of 3 · 232 entries" in each.value for each in app.caption)
    parts = [load_transcript(history.warehouse_path, "long", part) for part in (1, 2, 3, 9)]
    sequences = [part.entries["sequence"].to_list() for part in parts if part is not None]
    assert [each for part in sequences[:3] for each in part] == list(range(1, 233))
    assert sequences[3] == sequences[2]


def test_a_search_hit_opens_at_its_message(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    rows = load_conversations(history.warehouse_path, Scope(LAST_30), Search(text="café"), 1).rows
    found = rows["found_sequence"][0]
    app = open_page(history, "conversations", conversation="long", message=str(found))
    shown = texts(app)
    assert [each for each in shown if each.startswith("line ")][:2] == ["line 148", "line 149"]
    assert any(f"before #{found} · Part 2 of 3" in each.value for each in app.caption)
    app.pagination[0].set_value(1).run()
    assert "line 1" in texts(app)
    assert not {"message", "event"} & set(app.query_params)


@pytest.mark.parametrize(
    "conversation_id", ["unknown", "<b>", "' or 1=1 --", "![x](y)", "a" * 5000]
)
def test_an_unknown_conversation_gets_a_clear_message(
    open_page: Callable[..., AppTest], history: Settings, conversation_id: str
) -> None:
    app = open_page(history, "conversations", conversation=conversation_id)
    assert "No conversation on record has the id in the address" in messages_of(app)
    assert conversation_id not in messages_of(app)


def test_the_back_link_of_a_transcript_leads_to_the_list(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    app.button[0].click().run()
    assert not app.exception
    assert "conversation" not in app.query_params
    assert len(app.dataframe) == 1


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ({"state": "<b>"}, "“state” in the address is not one of the choices"),
        ({"handed_off": "maybe"}, "“handed_off” in the address is not one of the choices"),
        ({"page_": "-1"}, "“page” in the address is not a number"),
        ({"page_": "²"}, "“page” in the address is not a number"),
    ],
)
def test_an_invalid_filter_of_the_list_is_dropped_with_a_hint(
    open_page: Callable[..., AppTest], history: Settings, address: dict[str, str], hint: str
) -> None:
    app = open_page(history, "conversations", **address)
    assert hint in messages_of(app)
    assert len(app.dataframe) == 1


# --- user text ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("bell\x07 escape\x1b[31m", "bell⟨U+0007⟩ escape⟨U+001B⟩[31m"),
        ("abc\u202ecba", "abc⟨U+202E⟩cba"),
        ("\u2066x\u2069 \u200f \ufeff", "⟨U+2066⟩x⟨U+2069⟩ ⟨U+200F⟩ ⟨U+FEFF⟩"),
        ("hid\u200dden", "hid⟨U+200D⟩den"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("שלום עולם", "שלום עולם"),
        ("blank\u2800\u3164", "blank⟨U+2800⟩⟨U+3164⟩"),
    ],
)
def test_invisible_and_bidirectional_characters_are_escaped(text: str, shown: str) -> None:
    assert formatting.reveal(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (63, "1 min 3 s"),
        (3600, "1 h"),
        (90_061, "1 d 1 h"),
        (-0.4, "0 s"),
        (-5, "-5 s"),
        (-3_661, "-1 h 1 min"),
    ],
)
def test_a_duration_is_formatted_in_its_two_largest_units(
    seconds: float | None, shown: str
) -> None:
    assert formatting.duration(seconds) == shown


def test_no_change_has_no_sign() -> None:
    assert formatting.change(0.0) == formatting.change(-0.0001) == "0.0 %"


# --- a warehouse that is missing, empty, behind or replaced ----------------------------


@pytest.mark.parametrize("page", ["overview", "conversations"])
def test_without_a_warehouse_the_page_says_what_to_do(
    open_page: Callable[..., AppTest], tmp_path: Path, page: str
) -> None:
    app = open_page(settings_of(tmp_path), page)
    assert "`convolake load`" in messages_of(app)
    assert "`make demo`" in messages_of(app)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", ["overview", "conversations"])
def test_an_empty_warehouse_says_what_to_do(
    open_page: Callable[..., AppTest], tmp_path: Path, page: str
) -> None:
    Record(settings_of(tmp_path), Clock(NOW)).load()
    assert "holds no conversation yet" in messages_of(open_page(settings_of(tmp_path), page))


def small(conversation_id: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.created",
        "conversation_id": conversation_id,
        "channel": "web",
    }


def test_unloaded_and_quarantined_segments_are_shown(
    open_page: Callable[..., AppTest], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    record = Record(settings, Clock(NOW))
    record.publish([small("c1")])
    record.write([small("c2")])
    [damaged] = record.seal()
    file = settings.lake_path / damaged.path
    file.write_bytes(file.read_bytes()[:-1])
    record.load()
    record.write([small("c3"), small("c4")])
    [waiting] = record.seal()
    app = open_page(settings)
    said = "\n".join(each.value for each in app.caption)
    assert f"1 segment ({waiting.rows} events) not loaded yet" in said
    assert f"1 segment with {damaged.rows} events quarantined" in messages_of(app)
    assert list(app.dataframe[0].value["path"]) == [damaged.path]


def test_a_damaged_manifest_is_shown(open_page: Callable[..., AppTest], tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    Record(settings, Clock(NOW)).publish([small("c1")])
    (settings.lake_path / "manifest.jsonl").write_text("{}\n")
    app = open_page(settings)
    assert "The manifest of the lake cannot be trusted" in messages_of(app)
    assert len(app.metric) == 8


def test_a_rebuilt_warehouse_is_reopened(open_page: Callable[..., AppTest], tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    record = Record(settings, Clock(NOW))
    record.publish([small("c1")])
    assert metrics(open_page(settings))["Conversations"][0] == "1"
    shutil.rmtree(settings.warehouse_path)
    st.cache_data.clear()
    assert "There is no warehouse" in messages_of(open_page(settings))
    record.publish([small("c2")])
    st.cache_data.clear()
    assert metrics(open_page(settings))["Conversations"][0] == "2"


def test_all_queries_of_a_page_read_one_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    record = Record(settings, Clock(NOW))
    record.publish([small("c1")])
    run_query = warehouse_reader.run_query

    def query_while_a_load_commits(
        cursor: Any, path: Path, parameters: Mapping[str, Any]
    ) -> pl.DataFrame:
        frame = run_query(cursor, path, parameters)
        if path.stem == "conversations_over_time":
            record.publish([small("c2")])
        return frame

    monkeypatch.setattr(warehouse_reader, "run_query", query_while_a_load_commits)
    period = Period(NOW.date(), NOW.date())
    found = load_overview(settings.warehouse_path, Scope(period), period)
    assert found.cards["conversations"].value == 1
    assert found.by_hour["conversations"].sum() == 1


def test_readers_see_whole_loads_during_loads(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    record = Record(settings, Clock(NOW))
    record.publish([small("c0")])
    scope = Scope(Period(NOW.date(), NOW.date()))
    stop = threading.Event()
    seen: list[bool] = []

    def read() -> None:
        while not stop.is_set():
            st.cache_data.clear()
            found = load_overview(settings.warehouse_path, scope, scope.period)
            shown = found.conversations["conversations"].sum()
            cards = found.cards["conversations"].value
            seen.append(shown == cards == found.by_hour["conversations"].sum())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 4):
            record.publish([small(f"c{number}")])
    finally:
        stop.set()
        reader.join(60)
    assert seen
    assert all(seen)


# --- in a browser ---------------------------------------------------------------------


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (our own server)
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def site(history: Settings, audit_api: Installation) -> Iterator[str]:
    """The URL of a dashboard that is started as in production."""
    settings = history.model_copy(update={"dashboard_port": free_port()})
    environment = {
        **os.environ,
        **audit_api.environment,
        "CONVOLAKE_DATA": str(settings.data),
        "PYTHONPATH": str(APP.parent.parent),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(settings), env=environment, stdout=log, stderr=log, cwd=settings.data
        )
        url = f"http://127.0.0.1:{settings.dashboard_port}"
        try:
            wait_until(lambda: answers(f"{url}/_stcore/health"), 60, "the dashboard answers")
            yield url
        finally:
            process.terminate()
            process.wait(30)


SHOWN = """
    const app = document.querySelector('[data-testid=stApp]');
    return app && app.getAttribute('data-test-script-state') === 'notRunning'
        && !document.querySelector('[data-testid=stSkeleton]')
        && document.body.innerText.includes(arguments[0]);
"""
FIRST_CELL = """
    const table = document.querySelector('[data-testid=stDataFrame] canvas').getBoundingClientRect();
    return [table.x + 100, table.y + 52];
"""
WIDTHS = """
    const main = document.querySelector('[data-testid=stMain]');
    return [document.documentElement.scrollWidth, main.scrollWidth];
"""


def visit(browser: Any, url: str, text: str) -> None:
    browser.get(url)
    wait_until(lambda: browser.execute_script(SHOWN, text), 60, f"{url} shows {text!r}")


def test_a_hostile_message_is_text_in_a_browser_and_makes_no_request(
    browser: Any, site: str, beacon: Beacon
) -> None:
    beacon.requests.clear()
    visit(browser, f"{site}/conversations?conversation=hostile", "Handoff accepted")
    assert f"![x]({beacon.url}) <img src={beacon.url}> <script>" in browser.page_source.replace(
        "&lt;", "<"
    ).replace("&gt;", ">")
    assert (
        browser.execute_script(
            "return document.querySelectorAll('[data-testid=stMain] img').length"
        )
        == 0
    )
    # The dashboard's own navigation is there, although this was the server's first page.
    assert "Overview" in browser.execute_script("return document.body.innerText")
    visit(browser, f"{site}/conversations?search=gnp", "1 to 1 of 1 conversation")
    assert beacon.requests == []


def test_a_click_on_a_row_opens_its_transcript_and_its_link(browser: Any, site: str) -> None:
    browser.set_window_size(1440, 1700)
    visit(browser, f"{site}/conversations?search=gnp", "1 to 1 of 1 conversation")
    left, top = browser.execute_script(FIRST_CELL)
    for kind, button in (
        ("mouseMoved", "none"),
        ("mousePressed", "left"),
        ("mouseReleased", "left"),
    ):
        event = {"type": kind, "x": left, "y": top, "button": button, "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait_until(
        lambda: browser.execute_script(SHOWN, "Handoff accepted"), 60, "the transcript shows"
    )
    assert "conversation=hostile" in browser.current_url


def test_a_narrow_window_has_no_horizontal_scroll(browser: Any, site: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    for address, text in (
        ("", "Handoff rate by channel"),
        ("conversations", "newest first"),
        ("conversations?conversation=hostile", "Handoff accepted"),
    ):
        visit(browser, f"{site}/{address}", text)
        assert max(browser.execute_script(WIDTHS)) <= 400, address
