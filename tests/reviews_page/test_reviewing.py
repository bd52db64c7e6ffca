"""Reviewing: the form, its score, what is recorded, and who gets which conversation."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.reviews.scorecard_form import NOT_APPLICABLE
from tests.review_desk import (
    Desk,
    comment_of,
    pick,
    press,
    rate,
    review_next,
    said,
    score_shown,
    text_of,
)


def test_the_score_is_shown_before_it_is_submitted(drawn: Desk) -> None:
    app = review_next(drawn)
    assert score_shown(app) == "–"
    assert "Missing: 6 ratings" in said(app)
    rate(app, correctness=0)
    assert score_shown(app) == "30.0"  # the whole group Solution counts 0
    assert "A critical category failed" in said(app)
    rate(app, privacy=0)
    assert score_shown(app) == "0.0"
    rate(app, tone=1)
    assert score_shown(app) == "95.0"
    press(app, "Submit and continue")
    [review] = drawn.reviews()
    assert review.score == 95
    assert (review.sampling, review.assignment_id) == ("random", "s1")


def test_a_category_that_does_not_apply_leaves_the_score(drawn: Desk) -> None:
    app = rate(review_next(drawn), tone=NOT_APPLICABLE, understanding=1)
    assert score_shown(app) == f"{100 * 8 / 9:.1f}"
    press(app, "Submit and continue")
    assert drawn.reviews()[0].ratings["tone"] is None


def test_a_negative_rating_needs_a_cause(drawn: Desk) -> None:
    app = rate(review_next(drawn))
    tone = next(each for each in app.radio if str(each.key).endswith("tone"))
    tone.set_value(0).run()
    assert "Missing: a cause for “Tone and language”" in said(app)
    assert next(each for each in app.button if each.label.startswith("Submit")).disabled
    rate(app, tone=0)
    press(app, "Submit and continue")
    assert drawn.reviews()[0].causes == {"tone": ["Unfriendly"]}


def test_comments_tags_and_corrected_answers_are_recorded(drawn: Desk) -> None:
    app = rate(review_next(drawn))
    of = drawn.items("s1")[0]
    comment_of(app).set_value("Fine.").run()
    pick(app, "Message", f"{of}-2")
    pick(app, "Kind", "answer")
    text_of(app, "Text").set_value("The bill has one item too many.").run()
    press(app, "Add to the message")
    pick(app, "Kind", "comment")
    pick(app, "Message", f"{of}-1")
    words = next(each for each in app.text_input if each.label == "Only these words of it")
    words.set_value("blue").run()
    text_of(app, "Text").set_value("Which one?").run()
    assert "exactly once" in said(app)
    assert next(each for each in app.button if each.label == "Add to the message").disabled
    words.set_value("wrong. ⟨email masked⟩").run()
    press(app, "Add to the message")
    pick(app, "Message", f"{of}-3")
    text_of(app, "Text").set_value("Kind.").run()  # not added: it is not lost either
    next(each for each in app.multiselect if each.label == "Tags").set_value(["Coaching"]).run()
    pick(app, "Who is reviewed", "mira")
    press(app, "Submit and continue")
    [review] = drawn.reviews()
    assert (review.comment, review.tags, review.reviewee) == ("Fine.", ["Coaching"], "mira")
    [answer], [part, note] = review.corrected_answers, review.comments
    asked = "My bill is wrong. ada@example.org"
    assert asked[part.start : part.end] == "wrong. ada@example.org"
    assert (note.start, note.end) == (None, None)
    assert (answer.message_id, answer.text) == (f"{of}-2", "The bill has one item too many.")
    assert (note.message_id, note.text) == (f"{of}-3", "Kind.")
    detail = drawn.open("mira", view="reviews", review=review.review_id)
    assert f"Message {of}-2: The bill has one item too many." in said(detail)
    assert f"Message {of}-1, characters 12 to 33: Which one?" in said(detail)


def test_two_reviewers_never_get_the_same_conversation(drawn: Desk) -> None:
    ids = drawn.items("s1")
    assert ids[0] in said(review_next(drawn, "noor"))
    assert ids[1] in said(review_next(drawn, "sam"))
    assert ids[0] in said(review_next(drawn, "noor"))


def test_a_given_back_conversation_is_free_for_others(drawn: Desk) -> None:
    app = press(review_next(drawn), "Give it back")
    assert app.query_params["sample"] == "s1"
    assert drawn.items("s1")[0] in said(review_next(drawn, "sam"))


def test_a_finished_sample_says_so(drawn: Desk) -> None:
    for _ in range(4):
        drawn.review("sam")
    assert "Nothing is left for you in this sample" in said(review_next(drawn))
    assert "4 of 4 conversations done" in progress_of(drawn.open())


def progress_of(app: AppTest) -> str:
    return "\n".join(str(each.proto.text) for each in app.get("progress"))


def test_an_opened_transcript_is_recorded_first_and_shown_masked(drawn: Desk) -> None:
    app = review_next(drawn)
    of = drawn.items("s1")[0]
    assert [each["conversation_id"] for each in drawn.events("transcript.viewed")] == [of]
    assert "⟨email masked⟩" in said(app)
    assert "ada@example.org" not in said(app)
    [message] = [each for each in app.selectbox if each.label == "Message"]
    assert "ada@example.org" not in "".join(message.options)
    rate(app)
    assert len(drawn.events("transcript.viewed")) == 1  # one opening, however often the page runs


def test_a_transcript_that_cannot_be_recorded_is_not_shown(
    drawn: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAKE_API_KEY", drawn.key_with("review"))
    app = review_next(drawn)
    assert "This is not shown, because it cannot be recorded who sees it" in said(app)
    assert "My bill is wrong" not in said(app)
