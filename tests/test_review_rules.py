"""The rules of the reviews page without a page: what is drawn, seen, compared, counted and exported."""

import io
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.conversations import search_filters
from dashboards.downloads import write
from dashboards.filter_state import Period, Scope, Search
from dashboards.reviews import draw_plan, scorecards
from dashboards.reviews.blind import visible
from dashboards.reviews.comparisons import compare
from dashboards.reviews.draw_plan import Plan
from dashboards.reviews.frames import disputes_frame, ratings_frame, reviews_frame
from dashboards.reviews.score_summary import summarize
from dashboards.reviews.scorecards import DEFAULT, from_rows, make_id, point_of, to_rows
from ingest.client import (
    Category,
    CorrectedAnswer,
    Dispute,
    PinnedComment,
    Review,
    SampleProgress,
    Scorecard,
    score_ratings,
)
from warehouse.export_format import Format

AT = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
SCOPE = Scope(Period(date(2026, 11, 16), date(2026, 11, 22)))


def make_review(
    conversation_id: str = "c1", reviewer: str = "noor", score: float = 80.0, **over: Any
) -> Review:
    ratings = over.pop("ratings", {"tone": 1.0})
    fields: dict[str, Any] = {
        "review_id": f"r-{conversation_id}-{reviewer}", "conversation_id": conversation_id, "message_id": None,
        "reviewer": reviewer, "reviewee": None, "submitted_at": AT, "scorecard": "service", "scorecard_version": 1,
        "score": score, "first_score": score, "ratings": ratings, "first_ratings": ratings, "causes": {},
        "is_critical_failure": False, "comment": None, "comments": [], "corrected_answers": [], "tags": [],
        "assignment_id": "s1", "sampling": "random", "inclusion_probability": 0.5, "is_calibration": False,
        "seconds_spent": 60, "status": "submitted", "disputes": [],
    }  # fmt: skip
    return Review(**fields | over)


def make_sample(sample_id: str = "s1", reviews: int = 1, **over: Any) -> SampleProgress:
    fields: dict[str, Any] = {
        "sample_id": sample_id, "title": "A sample", "scorecard": "service", "scorecard_version": 1,
        "sampling": "random", "seed": 1, "population": 100, "filters": {}, "reviews_per_conversation": reviews,
        "is_calibration": False, "due_on": None, "drawn_by": "lead", "drawn_at": AT, "item_count": 10,
        "done_count": 0, "locked_count": 0, "review_count": 0,
    }  # fmt: skip
    return SampleProgress(**fields | over)


# --- what is drawn ----------------------------------------------------------------------


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


# --- what is seen -----------------------------------------------------------------------


def test_a_blind_reviewer_sees_no_review_by_others_of_an_open_conversation() -> None:
    sample = make_sample(reviews=2)
    by_noor = make_review("c1", "noor")
    assert visible([by_noor], [sample], "sam") == []
    assert visible([by_noor], [sample], "noor") == [by_noor]
    by_sam = make_review("c1", "sam")
    elsewhere = make_review("c2", "noor")
    both = [by_noor, by_sam, elsewhere]
    assert visible(both, [sample], "sam") == [by_noor, by_sam]
    assert visible(both, [sample], "lead") == [by_noor, by_sam]  # the conversation is complete


def test_a_review_of_one_each_and_one_outside_of_a_sample_are_open() -> None:
    single = make_review("c1", "noor")
    adhoc = make_review("c2", "noor", assignment_id=None)
    assert visible([single, adhoc], [make_sample()], "sam") == [single, adhoc]


def test_a_review_in_another_sample_opens_nothing() -> None:
    samples = [make_sample("s1", 2), make_sample("s2", 2)]
    first = make_review("c1", "noor", assignment_id="s1")
    own = make_review("c1", "sam", assignment_id="s2")
    assert visible([first, own], samples, "sam") == [own]


# --- what is compared -------------------------------------------------------------------

TONE = Category(id="tone", title="Tone", scale=3)


def test_first_ratings_are_compared_before_any_dispute() -> None:
    changed = make_review("c1", "noor", ratings={"tone": 0.0})
    changed.ratings = {"tone": 1.0}
    [found] = compare([TONE], [changed, make_review("c1", "sam")])
    assert found.agreement.raw == 0
    assert found.differences == {"c1": {"noor": 0.0, "sam": 1.0}}


def test_a_rating_against_not_applicable_is_a_difference_outside_of_the_coefficients() -> None:
    reviews = [make_review("c1", "noor", ratings={"tone": None}), make_review("c1", "sam")]
    [found] = compare([TONE], reviews)
    assert found.agreement.items == 0
    assert found.differences == {"c1": {"noor": None, "sam": 1.0}}


def test_conversations_with_one_reviewer_are_not_compared() -> None:
    again = make_review("c1", "noor", ratings={"tone": 0.0}, submitted_at=AT + timedelta(days=1))
    [found] = compare([TONE], [make_review("c1", "noor"), again, make_review("c2", "sam")])
    assert found.agreement.items == found.agreement.left_out == 0
    assert found.differences == {}


# --- what is counted --------------------------------------------------------------------


def test_random_and_targeted_samples_are_never_mixed_and_calibration_is_left_out() -> None:
    samples = [
        make_sample("random"),
        make_sample("strata", sampling="stratified"),
        make_sample("low", sampling="targeted"),
        make_sample("training", is_calibration=True),
    ]
    reviews = [
        make_review(f"c{number}", score=score, assignment_id=sample)
        for sample, scores in (("random", (80, 90)), ("strata", (70,)), ("low", (10, 20)), ("training", (5,)))
        for number, score in enumerate(scores)
    ]  # fmt: skip
    random, targeted = summarize(samples, reviews)
    assert [(each.sample.sample_id, each.mean.n, each.mean.value) for each in random] == [
        ("random", 2, 85),
        ("strata", 1, 70),
    ]
    assert [(each.sample.sample_id, each.mean.n, each.mean.value) for each in targeted] == [
        ("low", 2, 15)
    ]
    assert random[0].mean.low is not None
    assert targeted[0].mean.low is None  # not drawn by chance, so no interval


def test_two_reviews_of_a_conversation_are_one_value_when_both_are_there() -> None:
    reviews = [
        make_review("c1", "noor", 60.0),
        make_review("c1", "sam", 80.0),
        make_review("c2", "noor", 0.0),
    ]
    [found], _ = summarize([make_sample(reviews=2)], reviews)
    assert (found.mean.n, found.mean.value) == (1, 70)


def test_a_conversation_with_less_chance_to_be_drawn_weighs_more() -> None:
    reviews = [
        make_review("c1", score=100.0, inclusion_probability=0.1),
        make_review("c2", score=0.0, inclusion_probability=0.3),
    ]
    [found], _ = summarize([make_sample(sampling="stratified")], reviews)
    assert found.mean.value == pytest.approx(75)


def test_critical_failures_are_counted_by_conversation() -> None:
    reviews = [make_review("c1", is_critical_failure=True), make_review("c2"), make_review("c3")]
    [found], _ = summarize([make_sample()], reviews)
    assert found.critical.n == 3
    assert found.critical.value == pytest.approx(1 / 3)


def test_a_sample_without_reviews_has_no_score() -> None:
    assert summarize([make_sample()], []) == ([], [])


# --- scorecards -------------------------------------------------------------------------


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


# --- what is exported -------------------------------------------------------------------


def exported() -> list[Review]:
    dispute = Dispute(
        disputed_by="mira", disputed_at=AT, reason="=cmd()", category="tone", expected_rating=1.0
    )
    return [
        make_review(
            "c1", ratings={"tone": 0.0, "process": None}, causes={"tone": ["Unclear", "Too long"]},
            comment="=1+1", comments=[PinnedComment(message_id="m1", text="Kind.")],
            corrected_answers=[CorrectedAnswer(message_id="m2", text="Ask first.")], tags=["Praise", "Example"],
            status="disputed", disputes=[dispute],
        ),
        make_review("c2", "sam"),
    ]  # fmt: skip


def test_the_ratings_file_has_one_row_per_review_and_category() -> None:
    frame = ratings_frame(exported())
    assert frame.select("conversation_id", "category", "rating", "is_applicable", "causes").rows() == [
        ("c1", "tone", 0.0, True, "Unclear\nToo long"),
        ("c1", "process", None, False, None),
        ("c2", "tone", 1.0, True, None),
    ]  # fmt: skip


def test_the_reviews_file_has_one_row_per_review_with_its_sample() -> None:
    frame = reviews_frame(exported())
    assert frame.height == 2
    row = frame.row(0, named=True)
    assert (row["sample_id"], row["dispute_count"], row["tags"]) == ("s1", 1, "Praise\nExample")
    assert row["comments"] == '[{"message_id": "m1", "text": "Kind."}]'
    assert row["corrected_answers"] == '[{"message_id": "m2", "text": "Ask first."}]'


def test_the_disputes_file_has_both_scores_and_no_outcome_while_it_is_open() -> None:
    [row] = disputes_frame(exported()).to_dicts()
    assert (row["review_id"], row["disputed_by"], row["outcome"]) == ("r-c1-noor", "mira", None)
    assert (row["first_score"], row["score"], row["expected_rating"]) == (80.0, 80.0, 1.0)


@pytest.mark.parametrize("make", [reviews_frame, ratings_frame, disputes_frame])
def test_every_format_has_the_same_rows_also_without_any(make: Any) -> None:
    for reviews in (exported(), []):
        frame = make(reviews)
        read = {
            "parquet": pl.read_parquet(io.BytesIO(write(frame, Format.parquet))),
            "csv": pl.read_csv(io.BytesIO(write(frame, Format.csv))),
        }
        assert read["parquet"].equals(frame)
        assert read["csv"].height == frame.height
        assert read["csv"].columns == frame.columns
        assert write(frame, Format.jsonl).count(b"\n") == frame.height


def test_a_comment_is_never_a_formula() -> None:
    text = write(reviews_frame(exported()), Format.csv).decode()
    assert "'=1+1" in text
    assert "'=cmd()" in write(disputes_frame(exported()), Format.csv).decode()
