"""Samples: their progress, what leaves them and what takes its place, and how they are drawn."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.reviews import draw_plan
from tests.dashboard_app import show_page
from tests.review_desk import (
    FOUND,
    LOW_RATED,
    WEEK,
    Desk,
    pick,
    press,
    said,
)


def test_a_sample_shows_its_reviewers_locks_and_chances(drawn: Desk) -> None:
    drawn.review("noor")
    drawn.client.claim_item("s1", "sam")
    app = drawn.open(sample="s1")
    reviewers, items = app.dataframe[0].value, app.dataframe[1].value
    names = [name.strip("\u2068\u2069") for name in reviewers["reviewer"]]
    assert list(zip(names, reviewers["reviews"], reviewers["locked"], strict=True)) == [
        ("noor", 1, 0),
        ("sam", 0, 1),
    ]
    assert list(items["conversation"]) == drawn.items("s1")
    assert set(items["probability"]) == {4 / LOW_RATED}
    assert "1 of 4 reviews · 1 locked now" in said(app)


def test_a_conversation_is_taken_out_only_with_a_reason(drawn: Desk) -> None:
    first, second, *_ = drawn.items("s1")
    drawn.review("noor")
    app = drawn.open(sample="s1")
    [chosen] = [each for each in app.selectbox if each.label == "Conversation without a review"]
    assert first not in [each.strip("\u2068\u2069") for each in chosen.options]
    chosen.set_value(second).run()
    assert next(each for each in app.button if each.label == "Take it out").disabled
    app.text_input(key="reason taken out s1").set_value("A test conversation.").run()
    press(app, "Take it out")
    assert second not in drawn.items("s1")
    assert "Taken out: 1 conversation, 25.0 % of those drawn" in said(app)
    assert "A test conversation." in said(app)


def replace(app: AppTest, sample_id: str, conversation_id: str) -> AppTest:
    pick(app, "Conversation without a review", conversation_id)
    app.text_input(key=f"reason taken out {sample_id}").set_value("Of our own.").run()
    return press(app, "Replace it with the next one drawn")


@pytest.mark.parametrize(
    "draw", [{}, {"method": "top", "sort": "oldest"}, {"method": "stratified", "groups": "bot_version"}],
)  # fmt: skip
def test_a_conversation_is_replaced_with_the_one_that_a_larger_sample_has(
    desk: Desk, draw: dict[str, str]
) -> None:
    desk.publish()
    samples = []
    for size in (5, 6):
        app = desk.open("lead", view="draw", **WEEK, **draw)
        app.number_input(key="size").set_value(size)
        app.number_input(key="seed").set_value(7).run()
        press(app, "Draw the sample")
        samples.append(app.query_params["sample"])
    smaller, larger = (desk.items(each) for each in samples)
    [following] = set(larger) - set(smaller)
    before = {each.conversation_id: each for each in desk.client.sample_items(samples[0])}
    strata = {each.conversation_id: each.stratum for each in desk.client.sample_items(samples[1])}
    left = next(each for each in smaller if before[each].stratum == strata[following])
    app = replace(desk.open("lead", sample=samples[0]), samples[0], left)
    now = {each.conversation_id: each for each in desk.client.sample_items(samples[0])}
    assert set(now) == {*smaller, following} - {left}
    assert now[following].inclusion_probability == before[left].inclusion_probability
    assert now[following].stratum == before[left].stratum
    assert f"{left}, replaced by {following}, by lead: Of our own." in said(app)


def test_a_sample_of_its_whole_population_has_no_replacement(desk: Desk) -> None:
    desk.publish()
    app = desk.open("lead", **FOUND)
    app.number_input(key="size").set_value(LOW_RATED).run()
    press(app, "Draw the sample")
    sample_id = app.query_params["sample"]
    app = replace(desk.open("lead", sample=sample_id), sample_id, desk.items(sample_id)[0])
    assert "No other conversation matches" in said(app)
    assert len(desk.items(sample_id)) == LOW_RATED


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"method": "random"},
        {"method": "random", "from": "2026-11-16", "to": 7},
        {"method": "random", "from": "2026-11-16", "to": "2026-11-22", "sort": "<b>"},
        {"method": "stratified", "from": "2026-11-16", "to": "2026-11-22", "stratified_by": ["x"]},
    ],
)
def test_a_sample_that_does_not_say_how_it_was_drawn_has_no_replacement(
    desk: Desk, filters: dict[str, Any]
) -> None:
    desk.publish()
    desk.draw(4, filters=filters)
    app = desk.open(sample="s1")
    assert "does not say how it was drawn" in said(app)
    assert next(each for each in app.button if each.label.startswith("Replace it")).disabled


def test_a_stratified_sample_has_a_conversation_of_each_group(desk: Desk) -> None:
    desk.publish()
    app = desk.open("lead", view="draw", method="stratified", groups="bot_version", **WEEK)
    assert "Population: 40 conversations" in said(app)
    app.number_input(key="size").set_value(8)
    press(app, "Draw the sample")
    [sample] = desk.client.samples()
    assert sample.sampling == "stratified"
    strata = [each.stratum for each in desk.client.sample_items(sample.sample_id)]
    assert sorted(map(str, strata)) == ["1.0"] * 6 + ["2.0"] * 2
    assert dict(sample.filters) == {
        "from": "2026-11-16", "to": "2026-11-22", "method": "stratified", "stratified_by": "bot_version",
    }  # fmt: skip


def test_a_sample_smaller_than_its_groups_is_not_drawn(desk: Desk) -> None:
    desk.publish()
    app = desk.open("lead", view="draw", method="stratified", groups="bot_version", **WEEK)
    app.number_input(key="size").set_value(1)
    press(app, "Draw the sample")
    assert "There are 2 groups" in said(app)
    assert not list(desk.client.samples())


def test_the_list_a_sample_was_drawn_from_has_its_population(desk: Desk) -> None:
    desk.publish()
    press(desk.open("lead", **FOUND), "Draw the sample")
    [sample] = desk.client.samples()
    app = show_page("conversations", **draw_plan.address_of(sample.filters))
    assert f"of {sample.population} conversations" in said(app)
