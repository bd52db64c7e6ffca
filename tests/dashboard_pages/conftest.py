"""The history that the pages show, and a way to open a page."""

from collections.abc import Callable, Iterator
from random import Random

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.api_server import Installation
from tests.beacon import Beacon
from tests.dashboard_app import show_page
from tests.dashboard_pages.data_folder import settings_of
from tests.dashboard_pages.stories import (
    NOW,
    ZONE,
    hostile_conversation,
    long_conversation,
    make_story,
)
from tests.factories import Clock, Record


@pytest.fixture(scope="session")
def beacon() -> Iterator[Beacon]:
    listener = Beacon()
    yield listener
    listener.close()


@pytest.fixture(scope="session")
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
        return show_page(page, **address)

    return run
