"""Samples are drawn from the conversations of the list, and record its filters."""

from dataclasses import fields

import polars as pl
import pytest

from dashboards.conversations import search_filters
from dashboards.filter_state import Scope, Search
from dashboards.reviews import draw_plan
from dashboards.reviews.draw_plan import Plan
from tests.reviews.records import SCOPE


@pytest.mark.parametrize(
    ("search", "method", "sampling"),
    [
        (Search(), "random", "random"),
        (Search(), "stratified", "stratified"),
        (Search(bot_version="2.0", queue="billing", with_tests=True), "random", "random"),
        (Search(), "top", "targeted"),
        (Search(rating="negative"), "random", "targeted"),
        (Search(is_handed_off=False), "stratified", "targeted"),
        (Search(text="refund"), "random", "targeted"),
        (Search(min_wait_seconds=60), "random", "targeted"),
        (Search(state="resolved"), "random", "targeted"),
        (Search(reason="policy"), "random", "targeted"),
        (Search(outcome="unserved"), "random", "targeted"),
        (Search(max_duration_seconds=60), "random", "targeted"),
    ],
)
def test_a_sample_chosen_by_how_conversations_went_is_targeted(
    search: Search, method: str, sampling: str
) -> None:
    assert draw_plan.sampling_of(Plan(method, 5, 1), search) == sampling


def test_every_filter_of_the_list_is_recorded_and_leads_back_to_the_list() -> None:
    search = Search(
        state="resolved", is_handed_off=False, text="bill", with_tests=True, is_active=True, rating="none",
        reason="policy", queue="billing", agent_id="mira", outcome="returned", min_wait_seconds=300,
        bot_version="1.0", sort="oldest",
    )  # fmt: skip
    scope = Scope(SCOPE.period, ("web", "sms"))
    recorded = draw_plan.filters_of(scope, search, Plan("stratified", 5, 1, "state"))
    assert recorded["is_handed_off"] is False
    assert (recorded["method"], recorded["stratified_by"]) == ("stratified", "state")
    assert draw_plan.address_of(recorded) == {
        "from": "2026-11-16", "to": "2026-11-22", "channel": ["web", "sms"], "state": "resolved",
        "handed_off": "no", "search": "bill", "tests": "yes", "active": "yes", "rating": "none",
        "reason": "policy", "queue": "billing", "agent_id": "mira", "outcome": "returned", "wait": "300",
        "bot_version": "1.0", "sort": "oldest",
    }  # fmt: skip


def test_each_filter_of_the_list_has_a_place_in_the_url_and_chooses_by_outcome_or_not() -> None:
    """A new filter has to be added to the rules: it decides whether a sample is targeted."""
    names = {each.name for each in fields(Search)}
    duration = {"min_duration_seconds", "max_duration_seconds"}  # one parameter of the URL has both
    assert names == set(draw_plan.ADDRESS) - {"from", "to", "channels"} | duration
    neutral = {"with_tests", "is_active", "queue", "agent_id", "bot_id", "bot_version", "sort"}
    assert names == set(draw_plan.BY_OUTCOME) | neutral


@pytest.mark.parametrize(
    ("low", "high", "named"), [(60, 600, "60-600"), (None, 60, "0-60"), (86400, None, "86400-")]
)
def test_a_duration_leads_back_to_the_list(low: int | None, high: int | None, named: str) -> None:
    search = Search(min_duration_seconds=low, max_duration_seconds=high)
    recorded = draw_plan.filters_of(SCOPE, search, Plan("random", 5, 1))
    assert draw_plan.address_of(recorded)["lasted"] == named
    assert named in search_filters.LASTED


def test_filters_that_were_not_chosen_are_not_recorded() -> None:
    recorded = draw_plan.filters_of(SCOPE, Search(), Plan("random", 5, 1))
    assert recorded == {"from": "2026-11-16", "to": "2026-11-22", "method": "random"}


@pytest.mark.parametrize(
    ("by", "strata"),
    [
        ("channel", {"web": 3, "sms": 1}),
        ("handed_off", {"handed off": 2, "not handed off": 2}),
        ("bot_version", {"1.0": 3, "none": 1}),
        ("state", {"active": 4}),
    ],
)
def test_a_stratified_draw_groups_the_rows_of_the_list(by: str, strata: dict[str, int]) -> None:
    rows = pl.DataFrame(
        {
            "conversation_id": ["a", "b", "c", "d"],
            "channel": ["web", "web", "web", "sms"],
            "handoff_count": [0, 1, 2, 0],
            "bot_version": ["1.0", "1.0", None, "1.0"],
            "state": ["active"] * 4,
        }
    )
    drawn = draw_plan.draw(rows, Plan("stratified", 4, 1, by))
    counted: dict[str, int] = {}
    for each in drawn:
        counted[str(each.stratum)] = counted.get(str(each.stratum), 0) + 1
    assert counted == strata


def test_the_first_of_the_list_are_in_its_order() -> None:
    rows = pl.DataFrame({"conversation_id": ["worst", "bad", "good"]})
    drawn = draw_plan.draw(rows, Plan("top", 2, 1))
    assert [each.conversation_id for each in drawn] == ["worst", "bad"]
