"""The Health page: ingest stats, rejected events, and its text when the API is down."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import run_server
from tests.dashboard_app import show_page
from tests.factories import create_store, damage, free_port, make_conversation


def open_health(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
    monkeypatch.setenv("CONVOLAKE_PORT", str(settings.port))
    st.cache_data.clear()
    return show_page("health")


@pytest.fixture
def free(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", port=free_port())


@contextmanager
def running_api(settings: Settings) -> Iterator[Client]:
    """The API on the port of the settings, with a client; the page finds it there."""
    create_store(settings)
    key = get_or_create_local_key(settings, wall_clock())
    app = FastPathMiddleware(create_app(settings))
    with run_server(app, settings.port) as url, Client(url, key) as client:
        yield client


def test_the_page_shows_ingest_stats_and_rejected_events(
    free: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {"event_type": "![x](http://127.0.0.1/beacon.png)<script>"}
    with running_api(free) as client:
        list(
            client.record([*make_conversation(messages=3), *make_conversation(messages=3), hostile])
        )
        app = open_health(free, monkeypatch)
    figures = {each.label: each.value for each in app.metric}
    assert figures == {
        "Received": "9",
        "Accepted": "4",
        "Duplicates": "4",
        "Rejected": "1",
        "Stored": "5",
    }
    assert "balanced" in app.success[0].value
    rejected = app.dataframe[1].value
    assert list(rejected["code"]) == ["event_rejected"]
    assert "beacon" in rejected["raw"][0]
    assert not any("beacon" in each.value for each in (*app.markdown, *app.caption))


def test_the_page_warns_of_damaged_states(free: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_api(free) as client:
        list(client.record(make_conversation()))
        damage(free, "update conversations set projection = x''")
        client.conversation("c1")
        app = open_health(free, monkeypatch)
    assert [each.value for each in app.warning] == ["The conversation API warns:"]
    warned = "damaged states: 1 repaired, 0 not; run `convolake verify`"
    assert warned in [each.value for each in app.code]


def test_the_page_says_that_the_api_is_down(
    free: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_or_create_local_key(free, wall_clock())
    app = open_health(free, monkeypatch)
    assert "does not answer" in app.warning[0].value
    assert str(free.port) in app.code[0].value


def test_the_page_says_that_there_is_no_key(
    free: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "CONVOLAKE_API_KEY" in open_health(free, monkeypatch).code[0].value
