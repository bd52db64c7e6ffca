"""The warehouse: the same log gives the same tables, in any order of loads and after any failure."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from convolake.verify_figures import check_figures
from convolake.verify_warehouse import check_warehouse, snapshot
from ingest.manifest import Segment, read_manifest
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event, rows_of
from tests.test_rules_agree import random_history
from warehouse import build, incremental
from warehouse import model as model_module
from warehouse.checks import CheckError
from warehouse.lake import WarehouseBusyError, WarehouseMissingError, connect, write_lock
from warehouse.maintenance import maintain
from warehouse.model import definition_hashes, models


def contents(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every model, in the order of its key."""
    with connect(record.settings.warehouse_path) as con:
        return {
            model.name: rows_of(con, f"select * from {model.name} order by {', '.join(model.key)}")
            for model in models()
        }


def delete_warehouse(record: Record) -> None:
    shutil.rmtree(record.settings.warehouse_path)


def make_busy_day(record: Record, seed: int, steps: int = 6) -> None:
    """Make several loads of a few new and old conversations, with handoffs, sessions and tests."""
    random_ = random.Random(seed)  # noqa: S311 (stories, not secrets)
    for step in range(steps):
        events: list[dict[str, Any]] = []
        if step == 0:
            events += [{"event_type": "contact.created", "contact_id": f"p{n}"} for n in range(8)]
        for number in random_.sample(range(8), 4):
            key = f"c{number}"
            events += [make_event("conversation.created", conversation_id=key, event_id=f"{key}-created",
                                contact_id=f"p{number}", channel=random_.choice(["web", "sms"]), is_test=number == 7)] if step == 0 or number > 3 else []  # fmt: skip
            events += [
                make_event(conversation_id=key, event_id=f"{key}-{step}-{part}")
                for part in range(2)
            ]
            if random_.random() < 0.5:
                events.append(
                    make_event("handoff.requested", conversation_id=key, handoff_id=f"h{step}")
                )
                events.append(make_event("handoff.accepted", conversation_id=key, handoff_id=f"h{step}", participant_id="mira", participant_role="agent"))  # fmt: skip
            if random_.random() < 0.3:
                events.append(
                    make_event(
                        "conversation.resolved", conversation_id=key, payload={"resolved_by": "bot"}
                    )
                )
        record.write([*events, change_of_merges(random_, step)])
        record.clock.forward(hours=random_.choice([0, 1, 9]))
        record.seal(rows=random_.choice([3, 50]))
        if random_.random() < 0.7:
            record.load()
    record.load()


def change_of_merges(chosen: random.Random, step: int) -> dict[str, Any]:
    """Return a merge of two contacts, or its undoing; one that would be a circle is rejected."""
    contact, into = (f"p{each}" for each in chosen.sample(range(8), 2))
    if step % 3 == 2:
        return {"event_type": "contact.unmerged", "contact_id": contact}
    return {"event_type": "contact.merged", "contact_id": contact, "payload": {"into": into}}


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


def failed_checks(record: Record) -> list[str]:
    """The part of `verify` that reads the lake and the warehouse."""
    segments = read_manifest(record.settings.lake_path)[0]
    with snapshot(record.settings.warehouse_path) as con:
        assert con is not None
        lake = record.settings.lake_path
        checks = [*check_warehouse(con, lake, segments, segments, "UTC"), *check_figures(con)]
    assert len(checks) > 15
    return [check.detail for check in checks if not check.ok]


COUNTED_ALWAYS = (
    "active_on", "channel", "messages", "customer_messages", "bot_messages", "agent_messages",
)  # fmt: skip


def counts(conversations: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = (
        "conversation_id", "event_count", "message_count", "customer_message_count", "bot_message_count",
        "agent_message_count", "latest_at", "first_on", "last_on",
    )  # fmt: skip
    return [tuple(row[name] for name in names) for row in conversations]


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


def test_another_reporting_zone_rebuilds_the_days(record: Record) -> None:
    record.clock.forward(hours=13)  # 23:00 UTC
    record.publish(make_conversation())
    zone = record.settings.model_copy(update={"reporting_zone": "Europe/Berlin"})
    report = build.load(zone.lake_path, zone.warehouse_path, zone.reporting_zone)
    assert report.rebuilt
    assert [
        str(row["active_on"]) for row in record.query("select active_on from daily_activity")
    ] == ["2030-01-02"]
    assert record.query("select count(*) as n from events") == [{"n": 4}]


CACHED = (models, definition_hashes)


def change_model(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Install another version in which the file of one model differs."""
    path = next(model_module.DIRECTORY.rglob(f"{name}.sql"))
    real = Path.read_text
    changed = real(path).replace(old, new)
    assert changed != real(path)
    monkeypatch.setattr(Path, "read_text", lambda self: changed if self == path else real(self))
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture
def original_models() -> Iterator[None]:
    yield
    for cached in CACHED:
        cached.cache_clear()


@pytest.mark.long
@pytest.mark.usefixtures("original_models")
def test_a_changed_model_is_built_again_alone_and_the_rest_stays(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_busy_day(record, seed=3)
    before = contents(record)
    old, new = "happened_at as resolved_at", "received_at as resolved_at"  # here they are the same
    change_model(monkeypatch, "resolutions", old, new)
    report = record.load()
    readers = {"conversations", "episodes", "daily_activity", "metric_daily"}
    assert (report.events, report.rebuilt) == (0, False)
    assert set(report.backfilled) == {"resolutions"} | readers
    assert contents(record) == before
    record.write([make_event(conversation_id="c5", event_id="after-the-change")])
    record.seal()
    record.load()
    incremental_contents = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == incremental_contents


@pytest.mark.long
@pytest.mark.usefixtures("original_models")
def test_a_model_that_cannot_be_built_changes_nothing_and_is_named(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.publish(make_conversation(messages=3))
    before = contents(record)
    record.write([make_event("conversation.resolved", payload={"resolved_by": "bot"})])
    record.seal()
    with monkeypatch.context() as patched:
        old = "happened_at as resolved_at"
        change_model(
            patched, "resolutions", old, "cast(error('broken') as timestamp) as resolved_at"
        )
        with pytest.raises(duckdb.Error, match="the model resolutions was not built"):
            record.load()
    for cached in CACHED:
        cached.cache_clear()
    assert contents(record) == before
    assert record.load().events == 1


@pytest.mark.long
def test_a_warehouse_of_an_earlier_version_is_built_again(record: Record) -> None:
    make_busy_day(record, seed=4)
    expected = contents(record)
    with connect(record.settings.warehouse_path, read_only=False) as con:
        con.execute("drop table definitions")
        con.execute("create table definition as select 'x' as hash, 'UTC' as reporting_zone")
        con.execute("drop view episode_outcomes")
    assert record.load().rebuilt
    assert contents(record) == expected


# --- damage ----------------------------------------------------------------------------


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)


def test_a_segment_with_a_flipped_bit_is_quarantined_and_the_rest_loaded(record: Record) -> None:
    record.write(
        [event for number in range(3) for event in make_conversation(f"c{number}", messages=4)]
    )
    segments = record.seal(rows=6)
    damaged = record.settings.lake_path / segments[1].path
    whole = damaged.read_bytes()
    flip_a_bit(damaged, 1000)
    report = record.load()
    assert [each.segment.path for each in report.damaged] == [segments[1].path]
    assert "sha256" in report.damaged[0].reason
    assert record.query("select count(*) as n from events") == [{"n": 12}]
    quarantined = record.query("select path, status from segments where status <> 'loaded'")
    assert quarantined == [{"path": segments[1].path, "status": "quarantined"}]
    damaged.write_bytes(whole)
    assert record.load().damaged == []
    repaired = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == repaired


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "another file"])
def test_a_segment_that_differs_from_the_manifest_is_not_loaded(record: Record, how: str) -> None:
    record.write(make_conversation(messages=8))
    segments = record.seal(rows=5)
    path = record.settings.lake_path / segments[0].path
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[:-10])
        case "empty":
            path.write_bytes(b"")
        case _:
            shutil.copy(record.settings.lake_path / segments[1].path, path)
    report = record.load()
    assert [each.segment for each in report.damaged] == [segments[0]]
    assert record.query("select count(*) as n from events") == [{"n": 5}]


def test_a_load_that_would_break_a_key_changes_nothing(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the checks: a load must not store duplicated rows."""
    record.publish(make_conversation())
    before = contents(record)
    record.write(make_conversation("c2"))
    record.seal()
    real = incremental.create_source

    def duplicate_source(
        con: duckdb.DuckDBPyConnection, lake: Path, segments: list[Any], zone: str
    ) -> None:
        real(con, lake, segments * 2, zone)

    monkeypatch.setattr(incremental, "create_source", duplicate_source)
    with pytest.raises(CheckError):
        record.load()
    monkeypatch.undo()
    assert contents(record) == before
    assert record.load().events == 4


# --- killed loads, concurrent loads, a moved folder ----------------------------------

LOADER = """
import sys, time
from pathlib import Path
from warehouse import build, incremental
from warehouse.build import load
step = int(sys.argv[3])
real = build._insert
done = [0]
def insert(con, model, query):
    rows = real(con, model, query)
    done[0] += 1
    if done[0] == step:
        print("now", flush=True)
        time.sleep(60)
    return rows
build._insert = insert
load(Path(sys.argv[1]), Path(sys.argv[2]), "UTC")
"""


@pytest.mark.long
@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_killed_load_leaves_no_trace_and_the_next_one_completes(
    record: Record, step: int
) -> None:
    record.publish(make_conversation())
    before = contents(record)
    record.write([*make_conversation("c2", messages=5), make_event(event_id="more")])
    record.seal()
    paths = [str(record.settings.lake_path), str(record.settings.warehouse_path)]
    loader = subprocess.Popen(
        [sys.executable, "-c", LOADER, *paths, str(step)], stdout=subprocess.PIPE
    )
    assert loader.stdout is not None
    assert loader.stdout.readline() == b"now\n"
    assert contents(record) == before  # readers see no part of the load
    os.kill(loader.pid, signal.SIGKILL)
    loader.wait()
    loader.stdout.close()
    assert contents(record) == before
    record.load()
    finished = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == finished


def test_a_second_writer_waits_and_then_names_the_lock_holder(record: Record) -> None:
    record.publish(make_conversation())
    warehouse = record.settings.warehouse_path
    with (
        write_lock(warehouse),
        pytest.raises(WarehouseBusyError, match="try again"),
        write_lock(warehouse, 0.1),
    ):
        pass


def test_two_concurrent_loaders_load_every_event_once(record: Record) -> None:
    record.write([event for number in range(20) for event in make_conversation(f"c{number}")])
    record.seal(rows=10)
    load = "import sys; from pathlib import Path; from warehouse.build import load; load(Path(sys.argv[1]), Path(sys.argv[2]), 'UTC')"
    paths = [str(record.settings.lake_path), str(record.settings.warehouse_path)]
    loaders = [subprocess.Popen([sys.executable, "-c", load, *paths]) for _ in range(2)]
    assert [loader.wait(60) for loader in loaders] == [0, 0]
    assert record.query("select count(*) as n, count(distinct position) as m from events") == [
        {"n": 80, "m": 80}
    ]


READER = """
import sys, time
from pathlib import Path
from warehouse.lake import connect
con = connect(Path(sys.argv[1]))
print("ready", flush=True)
mixed = 0
reads = 0
end = time.monotonic() + 60
while time.monotonic() < end and not Path(sys.argv[2]).exists():
    row = con.execute('''select
        (select count(*) from events where event_type = 'message.created'), (select count(*) from messages),
        (select coalesce(sum(messages), 0) from daily_activity)''').fetchone()
    reads += 1
    mixed += len(set(row)) != 1
print(reads, mixed, flush=True)
"""


@pytest.mark.long
def test_readers_see_one_snapshot_and_never_wait_for_a_load(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation())
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", READER, str(record.settings.warehouse_path), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(8):
        record.publish(make_conversation(f"more-{number}", messages=20))
    stop.touch()
    for reader in readers:
        reads, mixed = reader.communicate(timeout=60)[0].split()
        assert reader.returncode == 0
        assert int(reads) > 0
        assert int(mixed) == 0


def test_a_data_folder_that_was_moved_still_works(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation(messages=30))
    moved = record.settings.model_copy(update={"data": tmp_path / "moved"})
    record.settings.data.rename(moved.data)
    there = Record(moved, record.clock)
    assert there.query("select count(*) as n from events") == [{"n": 32}]
    there.publish(make_conversation("c2"))
    assert there.query("select count(*) as n from events") == [{"n": 36}]


def test_opening_a_missing_warehouse_names_the_load_command(record: Record) -> None:
    with pytest.raises(WarehouseMissingError, match="convolake load"):
        connect(record.settings.warehouse_path)


def test_an_empty_lake_makes_empty_tables(record: Record) -> None:
    assert record.load().events == 0
    assert {name: len(rows) for name, rows in contents(record).items()} == {
        model.name: 0 for model in models()
    }
    time_zone = record.query("select current_setting('TimeZone') as zone")
    assert time_zone == [{"zone": "UTC"}]


def test_a_missing_table_is_not_resolved_to_a_python_variable(record: Record) -> None:
    record.publish(make_conversation())
    massages = [1]  # a misspelt table name
    with pytest.raises(duckdb.CatalogException, match="massages"):
        record.query(f"from massages -- {len(massages)}")
    with connect(record.settings.warehouse_path) as con:
        found = con.execute("select current_setting('python_enable_replacements')").fetchall()
    assert found == [(False,)]
