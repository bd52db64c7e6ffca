"""The states of reviews are folds of the log: a rebuild, a repair and a migration give the same ones."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, insert

from ingest.events.conversation_state import encode_state
from ingest.events.draft import Command
from ingest.events.review_payloads import ReviewSubmitted
from ingest.events.review_state import to_review
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.rebuild import needs_rebuild, rebuild_projections
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.state_reader import UnreadableState, unreadable_states
from ingest.log.storage.store import Store
from ingest.log.storage.tables import reviews
from ingest.settings import Settings
from tests.factories import Clock, Record, damage, make_conversation
from tests.older_store import downgrade_to_webhooks
from tests.reviews.team import RATINGS, Team
from tests.test_verify_figures import failures

Shown = list[Any]


@pytest.fixture
def team(api: TestClient, clock: Clock) -> Iterator[Team]:
    """A team with samples, a replaced conversation, reviews, a dispute and an acknowledgement."""
    team = Team(api)
    ids = team.open(4)
    team.draw(ids[:3], reviews_per_conversation=2)
    review_id = team.review_next("noor")
    team.review_next("omar", ratings=RATINGS | {"tone": 0}, comment="Café 📦", tags=["x"])
    clock.forward(minutes=1)
    replaced = {"sample_id": "s1", "conversation_id": "c3", "reason": "x", "replacement": "c4"}
    team.post("review-replacements", participant_id="lead", replacement=replaced)
    dispute = {"review_id": review_id, "reason": "no"}
    team.post("conversations/c1/review-disputes", participant_id="mira", dispute=dispute)
    resolution = {"review_id": review_id, "outcome": "changed", "ratings": RATINGS | {"tone": 0}}
    path = "conversations/c1/review-resolutions"
    assert team.post(path, participant_id="lead", resolution=resolution).status_code == 201
    path = "conversations/c1/review-acknowledgements"
    team.post(path, participant_id="mira", acknowledgement={"review_id": review_id})
    yield team
    unreadable_states.repaired.clear()
    unreadable_states.lost.clear()


def shown(team: Team) -> Shown:
    """Return everything that the API shows of reviews."""
    paths = ("scorecards", "review-samples", "review-samples/s1/items", "reviews")
    return [team.get(path) for path in paths]


def rebuild(settings: Settings) -> None:
    engine = open_engine(settings.database_url)
    store = Store(engine)
    store.begin(0)
    rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.close()
    engine.dispose()


def test_a_rebuild_gives_the_same_states_and_keeps_the_locks(
    team: Team, settings: Settings
) -> None:
    assert team.claim("pia") == "c2"
    before = shown(team)
    rebuild(settings)
    assert shown(team) == before
    assert team.submit("pia", "c2").status_code == 201


@pytest.mark.sqlite
def test_damaged_states_are_read_from_their_events(team: Team, settings: Settings) -> None:
    before = shown(team)
    for table in ("scorecards", "review_samples", "reviews"):
        damage(settings, f"update {table} set projection = substr(projection, 1, 9)")
    assert failures(settings) == ["every state can be read"]
    assert shown(team) == before
    assert unreadable_states.repaired == {
        UnreadableState("scorecard", "service/1"),
        UnreadableState("sample", "s1"),
        *(UnreadableState("review", each["review_id"]) for each in before[3]["items"]),
    }


def test_verify_misses_a_lost_state(team: Team, settings: Settings) -> None:
    assert failures(settings) == []
    for table in ("scorecards", "review_samples", "reviews"):
        damage(settings, f"delete from {table}")
        assert failures(settings) == ["every scorecard, sample and review has its state"]
        rebuild(settings)
        assert failures(settings) == []


@pytest.mark.sqlite
def test_a_migration_rebuilds_the_states_of_a_log_that_has_reviews(
    team: Team, settings: Settings
) -> None:
    """The tables of a log of the version before this one are created again."""
    before = shown(team)
    downgrade_to_webhooks(settings)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    assert needs_rebuild(engine)
    engine.dispose()
    rebuild(settings)
    assert shown(team) == before


@pytest.mark.sqlite
def test_a_migration_leaves_the_states_of_a_log_without_reviews(
    api: TestClient, settings: Settings
) -> None:
    api.post("/v1/events", json=make_conversation("c1"))
    downgrade_to_webhooks(settings)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    assert not needs_rebuild(engine)
    engine.dispose()


@pytest.mark.long
def test_the_warehouse_has_what_the_api_shows(team: Team, settings: Settings, clock: Clock) -> None:
    record = Record(settings, clock)
    record.seal()
    record.load()
    assert failures(settings) == []
    (scorecard,), (sample,), items, reviews = (each["items"] for each in shown(team))
    (row,) = record.query("select * from scorecards")
    assert (row["scorecard"], row["scorecard_version"]) == ("service", 1)
    assert len(msgspec.json.decode(row["categories"])) == len(scorecard["categories"])
    (row,) = record.query("select * from review_samples")
    for name in ("sample_id", "title", "seed", "population", "item_count", "done_count",
                 "review_count", "sampling", "reviews_per_conversation", "drawn_by"):  # fmt: skip
        assert row[name] == sample[name], name
    assert row["replaced_count"] == len(sample["replaced"])
    rows = record.query("select * from review_items where replaced_at is null")
    assert {
        (each["conversation_id"], each["inclusion_probability"], each["review_count"])
        for each in rows
    } == {
        (each["conversation_id"], each["inclusion_probability"], len(each["reviewers"]))
        for each in items
    }
    rows = record.query("select * from reviews order by submitted_at, reviewer")
    names = ("review_id", "conversation_id", "reviewer", "score", "first_score", "sampling", "status", "comment",
             "is_critical_failure", "inclusion_probability", "acknowledged_by", "assignment_id")  # fmt: skip
    for row, review in zip(rows, reviews, strict=True):
        assert {name: row[name] for name in names} == {name: review[name] for name in names}
        assert msgspec.json.decode(row["ratings"]) == review["ratings"]
        assert msgspec.json.decode(row["tags"] or "[]") == review["tags"]
        assert row["dispute_count"] == len(review["disputes"])


def test_one_commit_may_publish_draw_and_review(record: Record) -> None:
    """Each event sees the states that the earlier events of its commit left."""
    record.write(make_conversation("c1"))
    scorecard = {"name": "service", "version": 1, "categories": [{"id": "tone", "title": "Tone"}]}
    review = {"scorecard": "service", "scorecard_version": 1, "ratings": {"tone": 1}}
    of = {"conversation_id": "c1", "participant_id": "noor"}
    events: list[dict[str, Any]] = [
        {"event_type": "scorecard.published", "payload": scorecard},
        {"event_type": "review.submitted", "event_id": "r1", "payload": review, **of},
        {"event_type": "review.disputed", "payload": {"review_id": "r1", "reason": "x"}, **of},
        {"event_type": "review.resolved", "payload": {"review_id": "r1", "outcome": "changed",
         "ratings": {"tone": 0}}, **of, "participant_id": "lead"},
        {"event_type": "scorecard.published", "payload": scorecard},
    ]  # fmt: skip
    answers = record.write(events, command=Command())
    assert [each.status for each in answers] == [*["accepted"] * 4, "rejected"]
    (row,) = record.log("select review_id, projection from reviews")
    state = msgspec.msgpack.decode(bytes(row["projection"]))
    assert (state["score"], state["first_score"], state["status"]) == (0.0, 100.0, "changed")


POLLED = re.compile("FROM (webhooks|channel_accounts|waiting_items|otlp_spans)")
"""What tasks in the background read each second."""


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The SQL that requests execute meanwhile, on any engine."""
    found: list[str] = []

    def note(*given: Any) -> None:
        if not POLLED.search(given[2]):
            found.append(given[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def test_ten_thousand_reviews_are_read_with_few_statements(
    api: TestClient, settings: Settings, statements: list[str]
) -> None:
    """10 samples of 500, reviewed twice: the progress of all, the items of one, and a page."""
    team = Team(api)
    ids = [f"c{number}" for number in range(500)]
    created = [event for each in ids for event in make_conversation(each, messages=0)]
    assert api.post("/v1/events", json=created).status_code == 200
    for number in range(10):
        team.draw(ids, f"s{number}", population=500, reviews_per_conversation=2)
    fill(settings, ids)
    statements.clear()
    samples = team.get("review-samples")["items"]
    assert {each["done_count"] for each in samples} == {500}
    assert 0 < len(statements) <= 5
    assert len(team.get("review-samples/s3/items")["items"]) == 500
    page = team.get("reviews", limit=500, sample_id="s3", reviewer="r1")
    assert (len(page["items"]), page["has_more"]) == (500, True)
    assert len(statements) <= 15
    assert team.claim("r3", "s3") is None


def fill(settings: Settings, ids: list[str]) -> None:
    """Write the states of two reviews of each item of ten samples to the store."""
    review = ReviewSubmitted(scorecard="service", scorecard_version=1, ratings=RATINGS, score=100)
    event = StoredEvent(
        event_id="", event_type="review.submitted", visibility="internal", received_at=0,
        happened_at=0, source="test", fingerprint=b"",
        payload=msgspec.json.encode(review).decode()[:-1] + ',"conversation_id":""}',
    )  # fmt: skip
    state = to_review(event)
    assert state is not None
    rows = []
    for position, (sample, conversation_id, reviewer) in enumerate(
        product([f"s{number}" for number in range(10)], ids, ["r1", "r2"])
    ):
        state.review_id = f"{sample}-{conversation_id}-{reviewer}"
        state.assignment_id = sample
        state.conversation_id, state.reviewer = conversation_id, reviewer
        row = {"review_id": state.review_id, "position": position, "sample_id": sample}
        row |= {"conversation_id": conversation_id, "reviewer": reviewer}
        rows.append(row | {"projection": encode_state(state)})
    engine = open_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(insert(reviews), rows)
    engine.dispose()
