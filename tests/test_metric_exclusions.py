"""What a metric leaves out is counted by reason: its cases and what it left out are all rows of its relation."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlglot import exp

from convolake.simulate import history
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event
from tests.reviews.team import write_reviews
from warehouse.lake import connect
from warehouse.metric import Metric, metrics
from warehouse.metric_exclusions import WORDS, read_exclusions
from warehouse.metric_values import Period

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
LAST = NOW.date()
PERIOD = Period(LAST - timedelta(days=30), LAST + timedelta(days=1), LAST + timedelta(days=30))
WITHOUT_CONDITIONS = {"completeness", "late_events", "retention"}
RELATIONS = {
    "episode_outcomes", "turns", "handoffs", "messages", "feedback", "feedback_requests", "model_calls",
    "control_spans", "receipts", "conversations", "reviews",
}  # fmt: skip


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Simulated conversations, tests and reviews."""
    record = Record(Settings(data=tmp_path_factory.mktemp("excluded")), Clock(NOW))
    events = sorted(history(5, 6, NOW), key=lambda event: str(event["happened_at"]))
    tests = [
        {**event, "happened_at": NOW.isoformat()}
        for number in range(3)
        for event in make_conversation(f"t{number}", messages=4, is_test=True)
    ]
    record.publish([*events, *tests])
    write_reviews(record)
    record.seal()
    record.load()
    return record


@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_cases_and_exclusions_are_every_row_of_the_relation(mixed: Record, metric: Metric) -> None:
    with connect(mixed.settings.warehouse_path) as con:
        excluded = read_exclusions(con, metric, PERIOD)
        rows = f"from ({metric.rows().sql('duckdb')}) where active_on >= '{PERIOD.first_on}'"
        (cases,) = con.execute(f"select count(*) {rows}").fetchall()[0]
        if metric.name in WITHOUT_CONDITIONS:
            assert excluded == []
            return
        (everything,) = con.execute(f"select count(*) from {relation_of(metric)}").fetchall()[0]
    assert cases + sum(each.rows for each in excluded) == everything
    assert all(each.reason in WORDS.values() for each in excluded)


def relation_of(metric: Metric) -> str:
    """Return the relation whose rows are the cases: the one that the outer select begins with."""
    names = [table.name for table in metric.query.find_all(exp.Table) if table.name in RELATIONS]
    return next((each for each in ("reviews", "conversations") if each in names), names[0])


def test_a_row_counts_for_the_first_condition_that_it_does_not_meet(record: Record) -> None:
    resolved = make_event("conversation.resolved", payload={"resolved_by": "bot"})
    record.publish(
        [
            *make_conversation("test", messages=2, is_test=True),
            *make_conversation("open", messages=2),
            *make_conversation("done", messages=2),
            {**resolved, "conversation_id": "done"},
            *make_conversation("alone", messages=1),
            {**resolved, "conversation_id": "alone"},
        ]
    )
    metric = next(each for each in metrics() if each.name == "containment")
    with connect(record.settings.warehouse_path) as con:
        (day,) = con.execute("select max(opened_on) from episodes").fetchall()[0]
        found = read_exclusions(con, metric, Period(day, day, day))
        none = read_exclusions(con, metric, Period(day, day, day, ("fax",)))
    assert [each.rows for each in found] == [1, 1, 1]
    assert [each.reason for each in found][:2] == [
        "test conversations",
        "demands that are not over yet",
    ]
    assert [each.rows for each in none] == [0, 0, 0]
