"""Loads in any number and order give the tables of one rebuild."""

import os
import random
from datetime import UTC, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.manifest import Segment, read_manifest
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation
from tests.test_rules_agree import random_history
from tests.warehouse.test_changed_models import COUNTED_ALWAYS
from tests.warehouse_contents import (
    change_of_merges,
    contents,
    counts,
    delete_warehouse,
    failed_checks,
    make_busy_day,
)
from warehouse import incremental
from warehouse.maintenance import maintain


def test_repeated_loads_store_each_event_once(record: Record) -> None:
    first = record.publish(make_conversation(messages=3))
    assert (first.events, first.conversations) == (5, 1)
    assert record.load().events == 0
    assert record.publish(make_conversation("c2")).events == 4
    assert record.query("select count(*) as n, count(distinct position) as m from events") == [
        {"n": 9, "m": 9}
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20 if os.environ.get("PROVE") else 2))
def test_many_small_loads_give_the_same_tables_as_one_rebuild(record: Record, seed: int) -> None:
    make_busy_day(record, seed)
    incremental = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == incremental


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10 if os.environ.get("PROVE") else 1))
def test_random_histories_loaded_in_parts_give_the_same_tables(record: Record, seed: int) -> None:
    """Handoffs, edits, receipts and resolutions in any order, sealed and loaded at any moment."""
    chosen = random.Random(seed)  # noqa: S311
    streams = [list(random_history(chosen, number)) for number in range(12)]
    for step in range(len(streams[0])):
        record.clock.forward(minutes=chosen.choice((1, 20, 600)))
        record.write([stream[step] for stream in streams])
        if step == 0:
            record.write(
                [{"event_type": "contact.created", "contact_id": f"p{n}"} for n in range(8)]
            )
        record.write([change_of_merges(chosen, step)])
        if chosen.random() < 0.3:
            record.run_due()
        if chosen.random() < 0.3:
            record.seal(rows=chosen.choice((7, 50)))
            record.load()
        if chosen.random() < 0.1:  # the next load deletes rows of merged files
            maintain(record.settings.warehouse_path, datetime.now(UTC), snapshot_days=1)
    record.seal()
    record.load()
    incremental_contents = contents(record)
    assert len(incremental_contents["metric_daily"]) > 50
    assert failed_checks(record) == []
    delete_warehouse(record)
    record.load()
    assert contents(record) == incremental_contents


@pytest.mark.long
def test_a_conversation_beyond_the_cap_is_counted_once_and_marked(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same history with and without a cap: every count of messages and events is the same."""
    monkeypatch.setattr(incremental, "MODELLED_EVENTS", 20)
    make_busy_day(record, seed=5)
    capped = contents(record)
    assert failed_checks(record) == []
    delete_warehouse(record)
    record.load()
    assert contents(record) == capped
    monkeypatch.setattr(incremental, "MODELLED_EVENTS", 50_000)
    delete_warehouse(record)
    record.load()
    whole = contents(record)
    marked = {row["conversation_id"] for row in capped["conversations"] if row["is_capped"]}
    assert 0 < len(marked) < len(whole["conversations"])
    assert marked == {row["conversation_id"] for row in whole["conversations"] if row["event_count"] > 20}  # fmt: skip
    assert whole["capped_activity"] == []
    assert counts(capped["conversations"]) == counts(whole["conversations"])
    for row, of_whole in zip(capped["daily_activity"], whole["daily_activity"], strict=True):
        assert {name: row[name] for name in COUNTED_ALWAYS} == {name: of_whole[name] for name in COUNTED_ALWAYS}  # fmt: skip


def write_random_log(record: Record, chosen: random.Random, rows: int) -> list[Segment]:
    """Some conversations with every kind of event, a third of the events sent again, in segments of `rows`."""
    streams = [list(random_history(chosen, number)) for number in range(4)]
    for step in range(len(streams[0])):
        record.clock.forward(minutes=chosen.choice((1, 20, 600)))
        events = [stream[step] | {"event_id": f"e{number}-{step}"} for number, stream in enumerate(streams)]  # fmt: skip
        record.write(events)
        if chosen.random() < 0.3:
            assert "accepted" not in {each.status for each in record.write(events)}
            record.run_due()
    return record.seal(rows=rows)


@pytest.mark.long
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(5, 40),
    data=st.data(),
)
@hypothesis_settings(
    max_examples=40 if os.environ.get("PROVE") else 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_partition_and_order_of_the_segments_give_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, data: st.DataObject
) -> None:
    """Segments arrive late and in any order: those that are not there yet are loaded when they are."""
    record = Record(Settings(data=tmp_path_factory.mktemp("order")), Clock())
    segments = write_random_log(record, random.Random(seed), rows)  # noqa: S311
    record.load()
    expected = contents(record)
    delete_warehouse(record)
    order = data.draw(st.permutations(range(len(segments))))
    cuts = data.draw(st.sets(st.integers(1, len(segments) - 1), max_size=4))
    lake = record.settings.lake_path
    for number, segment in enumerate(segments):
        (lake / segment.path).rename(lake / f"{number}.away")
    for first, end in pairwise([0, *sorted(cuts), len(segments)]):
        for number in order[first:end]:
            (lake / f"{number}.away").rename(lake / segments[number].path)
        record.load()
    assert contents(record) == expected
    assert failed_checks(record) == []


@pytest.mark.long
def test_figures_agree_with_a_recomputation_from_parquet(record: Record) -> None:
    """Polars reads the segments directly and counts again."""
    make_busy_day(record, seed=11)
    lake = record.settings.lake_path
    events = pl.concat(
        [
            pl.read_parquet(lake / each.path, hive_partitioning=False)
            for each in read_manifest(lake)[0]
        ]
    )
    said = events.filter((pl.col("event_type") == "message.created") & ~pl.col("is_test"))
    by_day = said.group_by(pl.col("happened_at").dt.date().alias("active_on"), "channel").agg(
        pl.len().alias("messages")
    )
    found = record.query(
        "select active_on, channel, messages from daily_activity where messages > 0 order by 1, 2"
    )
    assert found == by_day.sort("active_on", "channel").to_dicts()
    handed_off = (
        events.filter(~pl.col("is_test"))
        .filter(pl.col("event_type") == "handoff.requested")["conversation_id"]
        .n_unique()
    )
    assert record.query("select sum(conversations_handed_off)::int as n from daily_activity") == [
        {"n": handed_off}
    ]
