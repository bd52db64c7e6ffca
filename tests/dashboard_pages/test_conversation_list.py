"""The list of conversations: filters, order, pages, downloads."""

import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.conversations.data import (
    PAGE_SIZE,
    load_all_conversations,
    load_conversations,
)
from dashboards.downloads import write
from dashboards.filter_state import Period, Scope, Search, Sort
from ingest.settings import Settings
from tests.dashboard_app import messages_of
from tests.dashboard_pages.figures import in_period, started_conversations
from tests.dashboard_pages.stories import (
    LAST_30,
)
from warehouse.export_format import Format


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
