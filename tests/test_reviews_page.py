"""The reviews page over a real API, lake and warehouse: the day of a QA lead, and what may go wrong in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextArea

from dashboards import formatting
from dashboards.reviews import claims, connection, draw_plan
from dashboards.reviews.agreement import measure_agreement
from dashboards.reviews.sampling import draw_random
from dashboards.reviews.scorecard_form import NOT_APPLICABLE
from dashboards.reviews.scorecards import DEFAULT
from dashboards.reviews.visit import VIEWS
from ingest.client import Client, UnreachableError
from tests.factories import free_port
from tests.review_desk import (
    APP,
    LOW_RATED,
    Desk,
    make_folder,
    press,
    rate,
    running_desk,
    said,
    score_shown,
)

WEEK = {"from_": "2026-11-16", "to": "2026-11-22"}
FOUND = {"view": "draw", "handed_off": "yes", "rating": "negative", **WEEK}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with conversations and no review."""
    data = tmp_path_factory.mktemp("reviews") / "data"
    make_folder(data)
    return data


@pytest.fixture
def desk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The page and the API over a copy of the folder."""
    st.cache_data.clear()
    with running_desk(folder, tmp_path / "data") as desk:
        monkeypatch.setenv("CONVOLAKE_DATA", str(desk.settings.data))
        monkeypatch.setenv("CONVOLAKE_API_URL", desk.client.url)
        monkeypatch.setenv("CONVOLAKE_API_KEY", desk.key)
        yield desk


# --- the day of a QA lead ---------------------------------------------------------------


def test_a_qa_lead_finds_draws_reviews_disputes_compares_and_exports(desk: Desk) -> None:
    # A scorecard, from nothing.
    lead = desk.open("lead", view="scorecards")
    assert "No scorecard is published yet" in said(lead)
    press(lead, "Publish the default scorecard")
    assert [each.name for each in desk.client.scorecards()] == ["service"]

    # Low-rated handoffs of last week.
    lead = desk.open("lead", **FOUND)
    assert f"Population: {LOW_RATED} conversations" in said(lead)
    assert "targeted" in said(lead)
    lead.number_input(key="size").set_value(20)
    lead.number_input(key="seed").set_value(7)
    lead.number_input(key="sample reviews").set_value(2)
    press(lead, "Draw the sample")
    [sample] = desk.client.samples()
    population = [f"low-{number:02}" for number in range(LOW_RATED)]
    assert desk.items(sample.sample_id) == [
        each.conversation_id for each in draw_random(population, 20, 7)
    ]
    assert (sample.population, sample.item_count, sample.seed) == (LOW_RATED, 20, 7)
    assert sample.sampling == "targeted"
    assert lead.query_params["sample"] == sample.sample_id
    assert "20 of 30 conversations" in said(lead)

    # Five reviews by each of two reviewers; the second is blind to the first.
    noor = press(desk.open("noor", sample=sample.sample_id), "Review next")
    for number in range(5):
        rate(noor, tone=number % 3)
        press(noor, "Submit and continue")
        assert f"{number + 1} of 40 reviews done" in said(noor)
    assert len(desk.reviews()) == 5
    hidden = desk.open("sam", view="reviews")
    assert "5 reviews by others hidden" in said(hidden)
    assert not hidden.dataframe
    sam = press(desk.open("sam", sample=sample.sample_id), "Review next")
    for _ in range(5):
        rate(sam)
        press(sam, "Submit and continue")
    assert "10 of 40 reviews done" in said(sam)
    reviews = desk.reviews()
    assert len(reviews) == 10

    # One review is disputed; its reviewer may not decide, another changes it.
    disputed = min(reviews, key=lambda each: each.score)
    mira = desk.open("mira", view="reviews", review=disputed.review_id)
    mira.text_area[0].set_value("The tone was right.").run()
    press(mira, "Dispute")
    own = desk.open("noor", view="reviews", review=disputed.review_id)
    assert "another person decides" in said(own)
    assert "Decide" not in [each.label for each in own.button]
    lead = desk.open("lead", view="reviews", review=disputed.review_id)
    lead.radio(key=f"decide {disputed.review_id}").set_value("changed").run()
    rate(lead)
    assert score_shown(lead) == "100.0"
    lead.text_area(key=f"decide {disputed.review_id} reason").set_value("The tone was right.").run()
    press(lead, "Decide")
    changed = next(each for each in desk.reviews() if each.review_id == disputed.review_id)
    assert (changed.status, changed.score, changed.first_score) == ("changed", 100, disputed.score)
    assert f"{disputed.score:.1f}" in said(lead)

    # Agreement, from the first ratings.
    lead = desk.open("lead", view="agreement", sample=sample.sample_id, category="tone")
    table = lead.dataframe[0].value
    row = table[table["category"].str.contains("Tone")].to_dict("records")[0]
    expected = measure_agreement([{"noor": number % 3 / 2, "sam": 1.0} for number in range(5)])
    assert (row["items"], row["reviewers"], row["differences"]) == (5, 2, 4)
    assert row["raw"] == "20.0 %"
    assert expected.kappa is not None
    assert row["kappa"] == f"{expected.kappa:.2f}"
    assert row["alpha"] == f"{expected.alpha:.2f}"
    assert row["balance"] == "Poor 2 · Fair 2 · Good 6"
    assert len([each for each in lead.button if each.label == "Open the review"]) == 8

    # The list, the files and the score have the same reviews.
    lead = desk.open("lead", view="reviews", sample=sample.sample_id)
    assert "1 to 10 of 10 reviews" in said(lead)
    assert len(lead.dataframe[0].value) == 10
    rows = {"reviews": 10, "ratings": 10 * len(DEFAULT), "disputes": 1}
    for name, count in rows.items():
        lead.button(key=f"make {name} csv").click().run()
        assert [each.label for each in lead.download_button] == [
            f"Save {name}.csv ({formatting.counted(count, 'row')})"
        ]
    exports = desk.events("transcript.exported")
    assert [(each["export"], each["row_count"]) for each in exports] == list(rows.items())
    scores = desk.open("lead", view="scores").dataframe[0].value.to_dict("records")
    assert [each["n"] for each in scores] == [5]
    assert "interval" not in scores[0] or scores[0]["interval"] == "–"


def test_every_step_of_the_list_leads_to_a_sample_of_what_is_shown(desk: Desk) -> None:
    desk.publish()
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page("conversations/page.py")
    for key, value in {"handed_off": "yes", "rating": "negative", "from": "2026-11-16"}.items():
        app.query_params[key] = value
    app.run()
    [link] = [each for each in app.get("page_link") if "Draw a sample" in each.proto.label]
    address = dict(parse_qsl(link.proto.query_string))
    assert address["view"] == "draw"
    assert f"Population: {LOW_RATED} conversations" in said(desk.open("lead", **address))


# --- reviewing --------------------------------------------------------------------------


@pytest.fixture
def drawn(desk: Desk) -> Desk:
    """A desk with a random sample of four conversations."""
    desk.publish()
    desk.draw(4)
    return desk


def review_next(desk: Desk, reviewer: str = "noor") -> AppTest:
    return desk.open(reviewer, view="review", sample="s1")


def comment_of(app: AppTest) -> TextArea:
    return next(each for each in app.text_area if each.label == "Comment on the conversation")


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


def pick(app: AppTest, label: str, value: str) -> None:
    next(each for each in app.selectbox if each.label == label).set_value(value).run()
    assert not app.exception, app.exception


def text_of(app: AppTest, label: str) -> TextArea:
    return next(each for each in app.text_area if each.label == label)


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


# --- what may go wrong ------------------------------------------------------------------


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


# --- samples ----------------------------------------------------------------------------


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
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page("conversations/page.py")
    app.query_params.update(draw_plan.address_of(sample.filters))
    app.run()
    assert f"of {sample.population} conversations" in said(app)


# --- scorecards -------------------------------------------------------------------------


def test_a_changed_scorecard_is_the_next_version_and_samples_keep_theirs(drawn: Desk) -> None:
    app = drawn.open("lead", view="scorecards")
    assert next(each for each in app.button if each.label == "Publish version 2").disabled
    added = {
        "title": "Écoute & suivi", "weight": 1.0, "scale": 2, "allows_not_applicable": True, "criticality": "none",
    }  # fmt: skip
    app.session_state["editor service 1"] = {
        "edited_rows": {3: {"weight": 5.0}},
        "added_rows": [added],
        "deleted_rows": [4],
    }
    app.run()
    assert not app.exception, app.exception
    press(app, "Publish version 2")
    first, second = drawn.client.scorecards()
    assert first.categories == DEFAULT
    assert second.version == 2
    assert [each.id for each in second.categories] == [
        "understanding", "correctness", "resolution", "tone", "privacy", "ecoute_suivi",
    ]  # fmt: skip
    assert second.categories[3].weight == 5
    assert [each.scorecard_version for each in drawn.client.samples()] == [1]
    assert len(review_next(drawn).radio) == len(DEFAULT)
