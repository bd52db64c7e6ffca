"""Pages over a warehouse that is missing, empty, behind or replaced."""

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards import warehouse_reader
from dashboards.filter_state import Period, Scope
from dashboards.overview.data import load_overview
from tests.dashboard_app import messages_of, metrics
from tests.dashboard_pages.data_folder import settings_of, small
from tests.dashboard_pages.stories import NOW
from tests.factories import Clock, Record


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


@pytest.mark.long
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
