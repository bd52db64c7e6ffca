"""Scorecards in the editor: defaults, ids, points and versions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.reviews import scorecards
from dashboards.reviews.scorecards import DEFAULT, from_rows, make_id, point_of, to_rows
from ingest.client import (
    Category,
    Scorecard,
    score_ratings,
)
from tests.reviews.test_blind_comparison import TONE


def test_the_default_scorecard_is_valid_and_gives_every_point_a_name() -> None:
    assert len({each.id for each in DEFAULT}) == len(DEFAULT)
    best = dict.fromkeys((each.id for each in DEFAULT), 1.0)
    outcome = score_ratings(DEFAULT, best)
    assert outcome is not None
    assert outcome.score == 100
    assert {each.criticality for each in DEFAULT} == {"none", "group", "review"}
    for each in DEFAULT:
        assert each.causes
        assert len({point_of(step / (each.scale - 1), each.scale) for step in range(each.scale)}) == each.scale  # fmt: skip


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_every_point_of_a_scale_has_its_own_name(scale: int) -> None:
    names = [point_of(step / (scale - 1), scale) for step in range(scale)]
    assert len(set(names)) == scale
    assert point_of(None, scale) == "Not applicable"


def test_the_editor_returns_what_it_was_given() -> None:
    assert from_rows(to_rows(DEFAULT)) == DEFAULT


def test_a_new_row_of_the_editor_gets_defaults_and_an_id_of_its_own() -> None:
    rows = [*to_rows([TONE]), {"title": " Tone "}, {"title": ""}, {"title": None}, {}]
    [_, added] = from_rows(rows)
    assert added == Category(id="tone_2", title="Tone", scale=3)


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=5))
@settings(deadline=None)
def test_an_id_is_valid_and_not_taken(title: str, others: list[str]) -> None:
    taken: set[str] = set()
    for each in (*others, title, title):
        found = make_id(each, taken)
        assert is_valid_id(found)
        assert found not in taken
        taken.add(found)


def is_valid_id(text: str) -> bool:
    plain = set("abcdefghijklmnopqrstuvwxyz0123456789_")
    return 0 < len(text) <= 32 and text[0].isalpha() and set(text) <= plain


def test_the_newest_version_of_each_scorecard_is_found() -> None:
    cards = [
        Scorecard(name=name, version=version, categories=DEFAULT)
        for name, version in (("sales", 1), ("service", 2), ("service", 10), ("service", 1))
    ]
    assert {name: each.version for name, each in scorecards.newest(cards).items()} == {
        "sales": 1,
        "service": 10,
    }
    assert scorecards.find(cards, "service", 2) is cards[1]
    assert scorecards.find(cards, "service", 3) is None
