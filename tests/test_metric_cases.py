"""A figure, the list of its cases and the file of that list have the same sums, for every metric."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
import pytest

from convolake.simulate import history
from ingest.settings import Settings
from tests.factories import Clock, Record
from tests.reviews.team import write_reviews
from warehouse.lake import connect
from warehouse.metric import Metric, metrics
from warehouse.metric_cases import COLUMNS, Selection, read_cases, read_totals
from warehouse.metric_values import MetricValue, Period, read_value

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
DAYS = 14
ABOUT_LOADS = {"completeness", "late_events"}
WITH_CASES = [metric for metric in metrics() if metric.has_conversations]
CHANNELS = ("web", "whatsapp", "sms", "messenger", "email", "slack")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A warehouse with some days of simulated conversations, known long after."""
    record = Record(Settings(data=tmp_path_factory.mktemp("cases")), Clock(NOW))
    record.write(sorted(history(5, DAYS, NOW), key=lambda event: str(event["happened_at"])))
    write_reviews(record)
    record.seal()
    record.load()
    return record


def periods(name: str) -> list[Period]:
    """The whole record, and random parts of it that depend on the metric's name only."""
    random = Random(name)  # noqa: S311 (a story, not a secret)
    first, last = NOW.date() - timedelta(days=DAYS), NOW.date()
    found = [Period(first, last, last + timedelta(days=30))]
    for _ in range(3):
        begins = first + timedelta(days=random.randrange(DAYS))
        ends = begins + timedelta(days=random.randrange(DAYS))
        as_of = last + timedelta(days=random.choice((0, 4, 30)))
        channels = tuple(random.sample(CHANNELS, random.randrange(3)))
        version = random.choice((None, None, "2.0"))
        found.append(Period(begins, ends, as_of, channels, version))
    return found


def of_figure(each: MetricValue) -> tuple[float, int, int]:
    """Return the parts of a figure: the upper half, the lower half, and what is missing."""
    return round(each.numerator, 6), each.count, each.missing


def of_list(metric: Metric, frame: pl.DataFrame) -> tuple[float, int, int]:
    upper = frame["numerator" if metric.kind == "ratio" else "value"].sum()
    if metric.kind in ("ratio", "quotient"):
        count = frame["denominator"].sum()
    else:
        count = frame["value"].count()
    missing = 0 if metric.kind == "ratio" else frame["value"].null_count()
    return round(float(upper), 6), int(count), missing


@pytest.mark.long
@pytest.mark.parametrize("metric", WITH_CASES, ids=lambda metric: metric.name)
def test_the_sums_over_the_list_are_the_figure(simulated: Record, metric: Metric) -> None:
    seen = 0
    with connect(simulated.settings.warehouse_path) as con:
        for period in periods(metric.name):
            for figure in read_value(con, metric, period):
                of_breakdown = figure.breakdown or None
                listed = read_cases(con, metric, period, Selection(breakdown=of_breakdown))
                assert of_list(metric, listed) == of_figure(figure)
                totals = read_totals(con, metric, period, Selection(breakdown=of_breakdown))
                assert totals.cases == listed.height
                assert totals.conversations == listed["conversation_id"].n_unique()
                seen += listed.height
    assert seen > 0
    assert listed.columns == list(COLUMNS)


@pytest.mark.parametrize(
    "name", ["containment", "human_first_response", "model_cost_per_contained_usd"]
)
def test_the_counted_cases_and_the_others_are_all_cases(simulated: Record, name: str) -> None:
    metric = next(each for each in metrics() if each.name == name)
    period = periods(name)[0]
    with connect(simulated.settings.warehouse_path) as con:
        everything = read_cases(con, metric, period, Selection())
        counted = read_cases(con, metric, period, Selection("counted"))
        other = read_cases(con, metric, period, Selection("other"))
        (figure,) = read_value(con, metric, period)
    assert pl.concat([counted, other]).sort(COLUMNS).equals(everything.sort(COLUMNS))
    assert min(counted.height, other.height) > 0
    if metric.kind == "ratio":
        assert (counted.height, everything.height) == (figure.numerator, figure.count)
        assert other["numerator"].sum() == 0
    else:
        assert other.height == figure.missing


def test_the_pages_of_a_list_are_the_list(simulated: Record) -> None:
    metric = next(each for each in metrics() if each.name == "handle_time")
    period = periods(metric.name)[0]
    for order in ("newest", "largest"):
        selection = Selection(order=order)
        with connect(simulated.settings.warehouse_path) as con:
            everything = read_cases(con, metric, period, selection)
            pages = [
                read_cases(con, metric, period, selection, 25, skip)
                for skip in range(0, everything.height, 25)
            ]
        assert everything.height > 50
        assert pl.concat(pages).equals(everything)
        key = "active_on" if order == "newest" else "value"
        assert everything[key].is_sorted(descending=True)


def test_every_case_is_in_a_conversation_at_an_event_of_it(simulated: Record) -> None:
    last = NOW.date()
    period = Period(last - timedelta(days=DAYS), last, last + timedelta(days=30))
    with connect(simulated.settings.warehouse_path) as con:
        known = con.execute("select conversation_id, sequence from events").pl()
        for metric in WITH_CASES:
            listed = read_cases(con, metric, period, Selection())
            assert listed["conversation_id"].null_count() == 0
            assert set(listed["conversation_id"]) <= set(known["conversation_id"])
            placed = listed.filter(pl.col("sequence").is_not_null())
            found = placed.join(known, on=["conversation_id", "sequence"], how="semi")
            assert found.height == placed.height, metric.name


def test_only_metrics_about_loads_have_no_conversations() -> None:
    assert {each.name for each in metrics() if not each.has_conversations} == ABOUT_LOADS


def test_control_a_list_that_lost_a_case_differs_from_its_figure(simulated: Record) -> None:
    metric = next(each for each in metrics() if each.name == "containment")
    period = Period(date(2026, 11, 16), date(2026, 11, 20), NOW.date())
    with connect(simulated.settings.warehouse_path) as con:
        (figure,) = read_value(con, metric, period)
        listed = read_cases(con, metric, period, Selection())
    assert of_list(metric, listed.head(-1)) != of_figure(figure)
