"""What may go wrong: lost locks and answers, no API, no key, invalid addresses."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import streamlit as st

from dashboards.reviews import claims, connection
from dashboards.reviews.visit import VIEWS
from ingest.client import Client, UnreachableError
from tests.factories import free_port
from tests.review_desk import (
    FOUND,
    Desk,
    comment_of,
    press,
    rate,
    review_next,
    said,
    score_shown,
    text_of,
)


def test_a_lost_lock_is_said_and_nothing_typed_is_lost(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = rate(review_next(drawn), tone=1)
    comment_of(app).set_value("A long comment.").run()
    drawn.clock.forward(minutes=16)
    drawn.review("sam")
    monkeypatch.setattr(claims, "PROLONG_SECONDS", 0.0)
    app.run()
    assert "Your lock has ended" in said(app)
    assert comment_of(app).value == "A long comment."
    assert score_shown(app) == "95.0"
    press(app, "Next conversation")
    assert drawn.items("s1")[1] in said(app)
    assert comment_of(app).value == ""
    # The lock that found out is not kept: all but the new conversation are free.
    assert [each.locked_by for each in drawn.client.sample_items("s1")] == [
        None,
        "noor",
        None,
        None,
    ]


def test_a_lock_that_ends_before_the_submit_is_said_then(drawn: Desk) -> None:
    app = rate(review_next(drawn))
    drawn.clock.forward(minutes=16)
    drawn.review("sam")
    press(app, "Submit and continue")
    assert "Your lock has ended" in said(app)
    assert score_shown(app) == "100.0"
    assert [each.reviewer for each in drawn.reviews()] == ["sam"]


def test_using_the_page_prolongs_the_lock(drawn: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PROLONG_SECONDS", 0.0)
    app = review_next(drawn)
    drawn.clock.forward(minutes=10)
    rate(app)
    drawn.clock.forward(minutes=10)
    press(app, "Submit and continue")
    assert len(drawn.reviews()) == 1


def test_an_api_that_is_down_keeps_what_is_typed_and_the_review_is_stored_once(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = rate(review_next(drawn))
    comment_of(app).set_value("Kept.").run()
    url = os.environ["CONVOLAKE_API_URL"]
    monkeypatch.setenv("CONVOLAKE_API_URL", f"http://127.0.0.1:{free_port()}")
    press(app, "Submit and continue")
    assert "The conversation API does not answer" in said(app)
    st.cache_data.clear()
    app.run()
    assert not app.radio  # the page cannot even list the samples
    monkeypatch.setenv("CONVOLAKE_API_URL", url)
    app.run()
    assert comment_of(app).value == "Kept."
    press(app, "Submit and continue")
    assert [each.comment for each in drawn.reviews()] == ["Kept."]


@contextmanager
def losing_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every call reaches the API; no answer arrives."""
    send = connection.call

    def lose_the_answer(action: Callable[[Client], Any]) -> Any:
        send(action)
        raise UnreachableError("http://api", OSError("the connection was reset"))

    with monkeypatch.context() as patch:
        patch.setattr(connection, "call", lose_the_answer)
        yield


def test_an_answer_that_was_lost_leaves_one_review(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = rate(review_next(drawn))
    with losing_answers(monkeypatch):
        press(app, "Submit and continue")
    assert "does not answer" in said(app)
    press(app, "Submit and continue")
    assert "The review is submitted" in said(app)
    assert len(drawn.reviews()) == 1


def test_a_draw_and_a_dispute_whose_answers_were_lost_leave_one_of_each(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = drawn.open("lead", **FOUND)
    with losing_answers(monkeypatch):
        press(app, "Draw the sample")
    assert "does not answer" in said(app)
    press(app, "Draw the sample")
    assert len(list(drawn.client.samples())) == 2  # this one, and that of the fixture
    drawn.review("noor")
    [review] = drawn.reviews()
    app = drawn.open("mira", view="reviews", review=review.review_id)
    text_of(app, "Reason").set_value("No.").run()
    with losing_answers(monkeypatch):
        press(app, "Dispute")
    press(app, "Dispute")
    assert [each.reason for each in drawn.reviews()[0].disputes] == ["No."]


def test_a_calibration_needs_two_reviewers(drawn: Desk) -> None:
    app = drawn.open("lead", view="draw")
    app.toggle(key="sample calibration").set_value(True).run()
    assert "needs 2 or more reviews per conversation" in said(app)
    assert next(each for each in app.button if each.label == "Draw the sample").disabled


def test_without_an_api_the_page_says_what_to_do(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_API_URL", f"http://127.0.0.1:{free_port()}")
    for view in VIEWS:
        st.cache_data.clear()
        assert "`convolake serve`" in said(drawn.open(view=view)), view


def test_without_a_key_the_page_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVOLAKE_API_KEY")
    desk.settings.local_key_path.unlink()
    assert "There is no API key. Set CONVOLAKE_API_KEY" in said(desk.open())


def test_a_key_without_the_scope_is_explained(drawn: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOLAKE_API_KEY", drawn.key_with("read"))
    assert "scope `review`" in said(drawn.open())


@pytest.mark.parametrize("name", ["", "two words", "naïve", "x" * 200 + " "])
def test_a_reviewer_needs_a_name_of_the_record(drawn: Desk, name: str) -> None:
    app = drawn.open(name, view="review", sample="s1")
    if name.strip() and len(name) > 128:
        assert app.radio  # cut at 128 characters, which is a name
        return
    assert "Type your name or id first" in said(app)
    assert not app.radio


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ({"view": "<b>"}, "“view” in the address is not one of the choices"),
        ({"sample": "' or 1=1 --"}, "No sample has the id in the address"),
        ({"view": "reviews", "review": "![x](y)"}, "No review that you may see has the id"),
        ({"view": "draw", "method": "all"}, "“method” in the address is not one of the choices"),
        ({"view": "draw", "groups": "id"}, ""),
        ({"view": "agreement", "category": "<i>"}, ""),
    ],
)
def test_an_invalid_address_is_dropped_with_a_hint(
    drawn: Desk, address: dict[str, str], hint: str
) -> None:
    app = drawn.open(**address)
    assert hint in said(app)
    assert all(value not in said(app) for value in address.values() if not value.isalpha())
