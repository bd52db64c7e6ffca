"""Saved filters and the filter by duration: the list that opens is the list that was saved."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards.conversations.data import load_all_conversations
from dashboards.conversations.saved_filters import (
    MAX_FILTERS,
    SavedFilter,
    SavedFiltersError,
    delete_filter,
    load_filters,
    save_filter,
)
from dashboards.conversations.search_filters import LASTED
from dashboards.filter_state import Period, Scope, Search
from ingest.settings import Settings
from tests.api_server import Installation
from tests.dashboard_app import checked, show_page
from tests.factories import START, Clock, Record, make_event

SECONDS = {"c0": 0, "c1": 59, "c2": 60, "c3": 700, "c4": 5000, "c5": 90_000}
"""How long each conversation lasts."""

OpenList = Callable[..., AppTest]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data=tmp_path_factory.mktemp("saved") / "data")
    record = Record(settings, Clock(START + timedelta(days=2)))
    record.publish(
        event | {"conversation_id": name, "happened_at": at.isoformat()}
        for name, seconds in SECONDS.items()
        for event, at in (
            (make_event("conversation.created"), START),
            (make_event(), START + timedelta(seconds=seconds)),
        )
    )
    return settings


@pytest.fixture(autouse=True)
def no_saved_filters(settings: Settings) -> None:
    st.cache_data.clear()
    (settings.data / "saved_filters.json").unlink(missing_ok=True)


@pytest.fixture
def open_list(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, audit_api: Installation
) -> OpenList:
    for name, value in audit_api.environment.items():
        monkeypatch.setenv(name, value)

    def run(**address: str) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
        return show_page("conversations", **address)

    return run


def shown(app: AppTest) -> set[str]:
    return set(app.dataframe[0].value["conversation_id"])


def press(app: AppTest, label: str) -> AppTest:
    return checked(next(each for each in app.button if each.label == label).click().run())


def save_as(app: AppTest, name: str) -> AppTest:
    label = "Save the filters of this list as"
    checked(next(each for each in app.text_input if each.label == label).set_value(name).run())
    return press(app, "Save")


@pytest.mark.parametrize("lasted", LASTED)
def test_the_filter_by_duration_includes_its_start_and_not_its_end(
    open_list: OpenList, lasted: str
) -> None:
    least, _, most = lasted.partition("-")
    expected = {
        name
        for name, seconds in SECONDS.items()
        if int(least) <= seconds < (int(most) if most else 10**9)
    }
    assert expected
    assert shown(open_list(lasted=lasted)) == expected


def test_the_list_is_sorted_by_duration_over_all_rows(settings: Settings) -> None:
    scope = Scope(Period(START.date(), START.date()))
    rows = load_all_conversations(settings.warehouse_path, scope, Search(sort="longest"))
    assert list(rows["conversation_id"]) == sorted(SECONDS, key=lambda name: -SECONDS[name])
    assert list(rows["duration_seconds"]) == sorted(SECONDS.values(), reverse=True)


def test_saved_filters_open_the_same_list_for_everyone(open_list: OpenList) -> None:
    app = open_list(lasted="60-600", sort="oldest", state="active")
    before = shown(app)
    save_as(app, "Short ones")
    other = open_list()
    assert shown(other) == set(SECONDS)
    press(other, "Open")
    assert shown(other) == before
    wanted = {"lasted": "60-600", "sort": "oldest", "state": "active"}
    assert {key: other.query_params[key] for key in wanted} == wanted


def test_opening_saved_filters_drops_the_filters_of_before(open_list: OpenList) -> None:
    save_as(open_list(sort="oldest"), "All, oldest first")
    app = open_list(lasted="60-600", search="order", page="3")
    press(app, "Open")
    assert not {"lasted", "search", "page"} & set(app.query_params)
    assert shown(app) == set(SECONDS)


def test_the_same_name_replaces_and_delete_removes(open_list: OpenList, settings: Settings) -> None:
    app = save_as(open_list(sort="oldest"), "Mine")
    save_as(open_list(sort="longest"), "Mine")
    [saved] = load_filters(settings.data)
    assert saved == SavedFilter("Mine", "sort=longest", "local")
    app = press(open_list(), "Delete")
    assert load_filters(settings.data) == []
    assert not app.warning


@pytest.mark.parametrize(
    "name", ["<b>x</b> ![x](http://evil.example)", "\u202egnp", "'; drop table"]
)
def test_a_hostile_name_is_shown_as_text(open_list: OpenList, name: str) -> None:
    save_as(open_list(), name)
    app = open_list()
    box = next(each for each in app.selectbox if each.label == "Saved")
    assert not any("\u202e" in each for each in box.options)
    press(app, "Open")
    assert shown(app) == set(SECONDS)


def test_filters_without_a_name_are_not_saved(open_list: OpenList, settings: Settings) -> None:
    app = save_as(open_list(), "   ")
    assert [each.value for each in app.warning] == ["Give the filters a name."]
    assert load_filters(settings.data) == []


def test_a_damaged_file_is_reported_and_is_not_overwritten(
    open_list: OpenList, settings: Settings
) -> None:
    file = settings.data / "saved_filters.json"
    file.write_text("[{")
    app = open_list()
    assert "cannot be read" in app.warning[0].value
    assert shown(app) == set(SECONDS)
    with pytest.raises(SavedFiltersError):
        save_filter(settings.data, SavedFilter("x", "", "ada"))
    assert file.read_text() == "[{"


def test_twenty_users_who_save_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    names = [f"filter {number:02}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda name: save_filter(tmp_path, SavedFilter(name, "", "ada")), names))
    assert [each.name for each in load_filters(tmp_path)] == names
    delete_filter(tmp_path, names[0])
    assert [each.name for each in load_filters(tmp_path)] == names[1:]


def test_there_is_a_maximum_of_saved_filters(tmp_path: Path) -> None:
    for number in range(MAX_FILTERS):
        save_filter(tmp_path, SavedFilter(str(number), "", "ada"))
    with pytest.raises(SavedFiltersError, match="Delete one first"):
        save_filter(tmp_path, SavedFilter("one more", "", "ada"))
    save_filter(tmp_path, SavedFilter("7", "sort=oldest", "ada"))


def test_a_download_has_as_many_rows_as_the_list_counts(open_list: OpenList) -> None:
    app = open_list(lasted="86400-")
    said = "\n".join(each.value for each in app.caption)
    assert "1 to 1 of 1 conversation" in said
    assert "Make a file of the one row" in said
