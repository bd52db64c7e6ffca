"""Metrics: one definition each, and values that an independent computation confirms."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from convolake.simulate import history
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event
from tests.independent_metrics import OPEN, Case, independent_cases
from tests.reviews.team import write_reviews
from warehouse.lake import connect
from warehouse.metric import Metric, MetricError, metrics, parse
from warehouse.metric_values import Period, read_value, read_values

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
DAYS = 12

Sums = dict[tuple[str, date, str], tuple[Decimal, Decimal, Decimal, int]]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A warehouse with some days of simulated conversations, loaded in several steps."""
    clock = Clock(NOW - timedelta(days=DAYS))
    data = tmp_path_factory.mktemp("metrics")
    hours = data / "business_hours.toml"
    hours.write_text(OPEN)
    record = Record(Settings(data=data, business_hours=hours), clock)
    waiting = sorted(history(7, DAYS, NOW), key=lambda event: str(event["happened_at"]))
    while waiting:
        clock.forward(days=4)
        now = datetime.fromtimestamp(clock.now / 1_000_000, UTC).isoformat(timespec="microseconds")
        ready = [each for each in waiting if str(each["happened_at"]) <= now]
        waiting = waiting[len(ready) :]
        record.write(ready)
        record.write(merges(ready))
        record.run_due()
        record.seal()
        record.load()
    clock.forward(days=3)
    record.run_due()
    record.write(thanks_that_a_resolution_follows(NOW + timedelta(days=1)))
    write_reviews(record)
    record.seal()
    record.load()
    return record


def thanks_that_a_resolution_follows(started: datetime) -> list[dict[str, Any]]:
    """Return a conversation of a bot whose customer thanks, and has another question a day later."""
    customer = {"participant_id": "ada", "participant_role": "customer"}
    bot = {"participant_id": "helper", "participant_role": "bot"}
    steps: list[tuple[int, str, dict[str, Any]]] = [
        (0, "conversation.created", {"payload": {"participants": [bot]}}),
        (1, "message.created", customer),
        (3, "message.created", bot),
        (9, "message.created", customer),
        (20, "conversation.resolved", {"payload": {"resolved_by": "customer"}}),
        (86_400, "message.created", customer),
        (86_407, "message.created", bot),
    ]
    return [
        make_event(
            event_type,
            conversation_id="thanks",
            happened_at=(started + timedelta(seconds=seconds)).isoformat(),
        )
        | columns
        for seconds, event_type, columns in steps
    ]


def merges(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return merges of people who wrote, in chains of three, and the undoing of some."""
    people = sorted({str(each["contact_id"]) for each in events if each.get("contact_id")})
    chains = [people[start : start + 3] for start in range(0, len(people) - 2, 12)]
    created = [{"event_type": "contact.created", "contact_id": each} for each in people]
    merged = [
        {"event_type": "contact.merged", "contact_id": contact, "payload": {"into": into}}
        for chain in chains
        for contact, into in pairwise(chain)
    ]
    undone = [{"event_type": "contact.unmerged", "contact_id": chain[0]} for chain in chains[::3]]
    return [*created, *merged, *undone]


def stored_sums(record: Record) -> Sums:
    """Return the sums by metric, day and breakdown, of the stored metrics and of the others."""
    found: Sums = {}
    with connect(record.settings.warehouse_path) as con:
        rows = con.execute(
            "select metric, active_on, breakdown, sum(numerator), sum(denominator), "
            "sum(value_sum), sum(missing_count) from metric_daily group by all"
        ).fetchall()
        for metric in metrics():
            if not metric.is_stored:
                query = metric.rows().subquery("cases")
                missing = "count(*) filter (where value is null and numerator is null)"
                rows += con.execute(
                    "select metric, active_on, coalesce(breakdown, ''), coalesce(sum(numerator), 0), "
                    f"coalesce(sum(denominator), 0), coalesce(sum(value), 0), {missing} "
                    f"from {query.sql('duckdb')} group by all"
                ).fetchall()
    for name, day, breakdown, numerator, denominator, value, missing in rows:
        found[name, day, breakdown] = (
            _decimal(numerator), _decimal(denominator), _decimal(value), missing,
        )  # fmt: skip
    return found


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("1e-9"))


def independent_sums(cases: list[Case]) -> Sums:
    groups: dict[tuple[str, date, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.metric, case.day, case.breakdown].append(case)
    found: Sums = {}
    for key, group in groups.items():
        if group[0].numerator is not None:
            numerator = sum(each.numerator or 0 for each in group)
            found[key] = _decimal(numerator), _decimal(len(group)), _decimal(0), 0
        else:
            values = [Decimal(str(each.value)) for each in group if each.value is not None]
            total = sum(values, Decimal())
            count = sum(each.denominator for each in group)
            found[key] = _decimal(0), _decimal(count), _decimal(total), len(group) - len(values)
    return found


@pytest.mark.long
def test_every_metric_of_every_day_equals_an_independent_computation(simulated: Record) -> None:
    expected = independent_sums(independent_cases(simulated.settings.lake_path))
    found = stored_sums(simulated)
    found = {key: sums for key, sums in found.items() if key[0] not in ABOUT_LOADS}
    assert {key[0] for key in expected} == {metric.name for metric in metrics()} - ABOUT_LOADS
    differing = {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    }
    assert differing == {}


ABOUT_LOADS = {"completeness", "late_events"}
"""Metrics of the pipeline: the events do not say when they were loaded."""


def test_completeness_and_late_events_are_those_of_the_loads(simulated: Record) -> None:
    loads = simulated.query("select * from loads")
    stored = sum(load["stored_events"] for load in loads)
    late = sum(load["late_events"] for load in loads)
    found = stored_sums(simulated)
    for name, expected in (("completeness", stored), ("late_events", late)):
        sums = [value for key, value in found.items() if key[0] == name]
        assert sum(numerator for numerator, *_ in sums) == expected
        assert sum(denominator for _, denominator, *_ in sums) == stored


def test_control_a_changed_figure_is_found(simulated: Record) -> None:
    cases = independent_cases(simulated.settings.lake_path)
    wrong = next(number for number, case in enumerate(cases) if case.metric == "containment")
    cases[wrong] = cases[wrong]._replace(numerator=1 - (cases[wrong].numerator or 0))
    found = {key: sums for key, sums in stored_sums(simulated).items() if key[0] not in ABOUT_LOADS}
    assert independent_sums(cases) != found


def test_the_parts_of_containment_and_the_handoff_rate_add_up(simulated: Record) -> None:
    last = NOW.date()
    period = Period(last - timedelta(days=DAYS), last, last + timedelta(days=3))
    with connect(simulated.settings.warehouse_path) as con:
        values = {value.metric.name: value for value in read_values(con, period)}
    shares = [values[name].value or 0 for name in ("containment", "handoff_rate")]
    assert sum(shares) == pytest.approx(1)
    parts = [value.value or 0 for name, value in values.items() if name in PARTS]
    assert sum(parts) == pytest.approx(1)
    assert values["pickup_wait"].p50 is not None
    assert values["pickup_wait"].p95 is not None
    assert values["pickup_wait"].p50 <= values["pickup_wait"].p95


PARTS = {f"contained_{part}" for part in ("confirmed", "assumed", "silent", "unanswered")}


def test_days_that_are_too_young_are_left_out_and_the_last_mature_one_is_named(
    simulated: Record,
) -> None:
    metric = next(each for each in metrics() if each.name == "durable_bot_resolution")
    last = NOW.date()
    with connect(simulated.settings.warehouse_path) as con:
        first = last - timedelta(days=DAYS)
        (now,) = read_value(con, metric, Period(first, last, last))
        (later,) = read_value(con, metric, Period(first, last, last + timedelta(days=30)))
        (never,) = read_value(con, metric, Period(last, last, last))
    assert now.last_on == last - timedelta(days=8)
    assert later.last_on == last
    assert 0 < now.count < later.count
    assert (never.value, never.count) == (None, 0)


def test_a_filter_by_channel_divides_the_cases(simulated: Record) -> None:
    metric = next(each for each in metrics() if each.name == "containment")
    last = NOW.date()
    period = Period(last - timedelta(days=DAYS), last, last)
    with connect(simulated.settings.warehouse_path) as con:
        (everything,) = read_value(con, metric, period)
        channels = [
            row[0] for row in con.execute("select distinct channel from episodes").fetchall()
        ]
        parts = [
            read_value(con, metric, Period(period.first_on, last, last, (channel,)))[0]
            for channel in channels
        ]
    assert sum(part.count for part in parts) == everything.count > 100


def run(settings: Settings, *arguments: str) -> str:
    result = CliRunner().invoke(
        app, ["metrics", *arguments], env={"CONVOLAKE_DATA": str(settings.data)}
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_definitions_and_values(simulated: Record) -> None:
    days = ["--from", "2026-11-10", "--until", "2026-11-22", "--as-of", "2026-11-25"]
    listed = json.loads(run(simulated.settings, *days, "--json"))["metrics"]
    assert {each["metric"] for each in listed} == {metric.name for metric in metrics()}
    (containment,) = [each for each in listed if each["metric"] == "containment"]
    assert containment["formula"].startswith("contained episodes ÷ eligible episodes")
    assert containment["value"] == containment["numerator"] / containment["count"]
    printed = run(simulated.settings, "containment", *days)
    assert "question: Which share of demands" in printed
    assert "newest event 2026-11-2" in printed
    assert f"{containment['value']:.1%}" in printed


def test_an_unknown_metric_is_answered_with_the_names(record: Record) -> None:
    record.publish(make_conversation())
    result = CliRunner().invoke(
        app, ["metrics", "containement"], env={"CONVOLAKE_DATA": str(record.settings.data)}
    )
    assert result.exit_code == 1
    assert (
        "there is no metric 'containement'; there are: abandonment_by_last_intent" in result.output
    )


@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_a_metric_gives_a_day_a_channel_and_either_a_ratio_or_a_value(metric: Metric) -> None:
    columns = set(metric.columns)
    assert {"active_on", "channel"} <= columns
    is_ratio = metric.kind == "ratio"
    assert ("numerator" in columns) == is_ratio
    assert ("denominator" in columns) == (metric.kind in ("ratio", "quotient"))
    assert ("value" in columns or {"started_at", "ended_at"} <= columns) != is_ratio
    assert metric.kind in ("ratio", "quotient", "duration", "count", "sum")
    assert (metric.unit == "seconds") == (metric.kind == "duration")


@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_a_formula_divides_if_the_metric_does(metric: Metric) -> None:
    assert ("÷" in metric.formula) == (metric.kind in ("ratio", "quotient"))


def test_no_metric_counts_a_test(record: Record) -> None:
    asked = {"handoff_id": "h1", "payload": {"reason": "refund"}}
    record.publish(
        [
            *make_conversation(messages=3, is_test=True),
            make_event("handoff.requested", **asked),
            make_event("handoff.accepted", handoff_id="h1", participant_id="mira"),
            make_event("feedback.requested"),
            make_event("feedback.submitted", payload={"score": 5}),
            make_event("bot.turn_completed", payload={"model_call": {"tokens": 5, "cost": 0.1}}),
            make_event("message.delivered", message_id="c1-m1"),
            make_event("conversation.resolved", payload={"resolved_by": "bot"}),
        ]
    )
    assert record.query("select * from metric_daily") == []
    for table in ("handoffs", "feedback", "model_calls", "episodes", "receipts"):
        assert len(record.query(f"select * from {table} where is_test")) == 1


def test_a_header_that_lacks_a_definition_is_an_error(tmp_path: Any) -> None:
    path = tmp_path / "some.sql"
    path.write_text("-- Some\n-- topic: bot\n-- question: What?\n\nselect 1 as value\n")
    with pytest.raises(MetricError, match="the header lacks formula, kind"):
        parse(path)
