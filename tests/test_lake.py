"""The lake: each event is sealed exactly once, and sealing resumes after any crash."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from ingest.arrow_schema import SCHEMA
from ingest.contract import from_micros, manifest_path
from ingest.lake import sealer
from ingest.lake.lock import take_lock
from ingest.lake.log_reader import LogReader, open_log
from ingest.lake.sealer import Sealer
from ingest.lake.segments import GapError, Lake
from ingest.manifest import Segment, read_manifest
from ingest.settings import Settings
from tests.adbc_process import read, run_in_adbc_process, seal
from tests.factories import Record, make_conversation, make_event

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def sealed_rows(record: Record) -> list[dict[str, Any]]:
    lake = record.settings.lake_path
    return [
        row
        for segment in read_manifest(lake)[0]
        for row in pq.read_table(lake / segment.path, partitioning=None).to_pylist()
    ]


def test_a_segment_holds_the_events_of_the_log_with_the_contracts_schema(record: Record) -> None:
    record.write(
        [
            *make_conversation(),
            make_event(text="日本 🧵", payload={"a": 1}, occurred_at="2029-12-31T23:59:59.123456Z"),
        ]
    )
    (segment,) = record.seal()
    table = pq.read_table(record.settings.lake_path / segment.path, partitioning=None)
    assert table.schema.equals(SCHEMA)
    assert segment.rows == table.num_rows == 5
    last = table.to_pylist()[-1]
    assert (last["text"], last["payload"]) == ("日本 🧵", '{"a":1}')
    assert last["occurred_at"] == datetime(2029, 12, 31, 23, 59, 59, 123456, UTC)
    assert last["is_test"] is False


def test_every_event_is_sealed_exactly_once(record: Record) -> None:
    record.write(make_conversation(messages=40))
    assert len(record.seal(rows=10)) == 5
    assert record.seal(rows=10) == []
    record.write(make_conversation("c2"))
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 47))


def test_events_of_two_days_are_in_two_folders(record: Record) -> None:
    record.clock.set(datetime(2030, 1, 1, 23, 59, 59, tzinfo=UTC))
    record.write(make_conversation())
    record.clock.forward(seconds=2)
    record.write(make_conversation("c2"))
    paths = [segment.path for segment in record.seal()]
    assert paths == [
        "events/received_on=2030-01-01/0-000000000001-000000000004.parquet",
        "events/received_on=2030-01-02/0-000000000005-000000000008.parquet",
    ]


def test_a_clock_that_jumps_back_over_midnight_loses_no_event(record: Record) -> None:
    for hour in (23, 1, 23, 1):
        day = 1 if hour == 23 else 2
        record.clock.set(datetime(2030, 1, day, hour, tzinfo=UTC))
        record.write(make_conversation(f"c{len(record.log('select 1 from events'))}", messages=1))
    assert len(record.seal()) == 4
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 13))


def test_a_seal_rejects_a_table_with_missing_positions(record: Record) -> None:
    record.write(make_conversation(messages=5))
    lake = Lake(record.settings.lake_path)
    table = run_in_adbc_process(read, record.settings, 0, 100)
    with pytest.raises(GapError):
        lake.seal(table.slice(1), NOW)
    with pytest.raises(GapError):
        lake.seal(table.filter([position != 3 for position in table["position"].to_pylist()]), NOW)
    assert lake.cursor == {}


class Crash(Exception):  # noqa: N818 (a simulated crash, not an error)
    """Simulates a process that crashes here."""


STEPS = [
    "write_table",
    "fsync of a file",
    "rename",
    "fsync of a folder",
    "line in the manifest",
    "fsync of the manifest",
]


def seal_and_crash(settings: Settings, step: str) -> None:
    """Seal, and crash right after `step` is on disk."""
    fsyncs = {"fsync of a file": 1, "fsync of a folder": 2, "fsync of the manifest": 5}
    seen = {"fsync": 0}

    def crash_after(action: Callable[..., Any], name: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = action(*args, **kwargs)
            seen["fsync"] += name == "fsync"
            if name == step or (name == "fsync" and seen["fsync"] == fsyncs.get(step)):
                raise Crash
            return result

        return run

    with (
        patch.object(pq, "write_table", crash_after(pq.write_table, "write_table")),
        patch.object(os, "fsync", crash_after(os.fsync, "fsync")),
        patch.object(Path, "rename", crash_after(Path.rename, "rename")),
        patch.object(Segment, "line", crash_after(Segment.line, "line in the manifest")),
    ):
        seal(settings, 50_000, NOW)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_seal_neither_loses_nor_duplicates_events(
    record: Record, step: str
) -> None:
    record.write(make_conversation(messages=6))
    with pytest.raises(Crash):
        run_in_adbc_process(seal_and_crash, record.settings, step)
    record.write(make_conversation("c2"))
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 13))
    lake = record.settings.lake_path
    files = {path.relative_to(lake).as_posix() for path in lake.glob("events/*/*")}
    assert files == {segment.path for segment in read_manifest(lake)[0]}


def test_a_torn_manifest_line_is_dropped_and_its_events_are_sealed_again(record: Record) -> None:
    record.write(make_conversation(messages=6))
    record.seal(rows=4)
    manifest = manifest_path(record.settings.lake_path)
    manifest.write_bytes(manifest.read_bytes()[:-20])
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 9))


def test_foreign_files_in_the_lake_are_not_touched(record: Record) -> None:
    record.write(make_conversation())
    record.seal()
    foreign_file = (
        record.settings.lake_path
        / "events/received_on=2030-01-01/0-000000000900-000000000901.parquet"
    )
    foreign_file.write_bytes(b"x")
    Lake(record.settings.lake_path)
    assert foreign_file.exists()


# --- when to seal ----------------------------------------------------------------------


class OpenSealer:
    """A sealer that stays open in the other process while this one writes."""

    seconds = 0.0
    sealer: Sealer
    log: LogReader

    @classmethod
    def open(cls, settings: Settings) -> None:
        cls.log = open_log(settings)
        lake = Lake(settings.lake_path)
        cls.sealer = Sealer(cls.log, lake, rows=10, seconds=15, monotonic=lambda: cls.seconds)

    @classmethod
    def step(cls, seconds: float) -> list[int]:
        cls.seconds = seconds
        return [segment.rows for segment in cls.sealer.step(NOW)]

    @classmethod
    def position(cls) -> int:
        return sum(cls.log.head().values())

    @classmethod
    def close(cls) -> None:
        cls.log.__exit__()


def test_a_segment_is_sealed_at_enough_rows_or_after_enough_time(record: Record) -> None:
    record.write(make_conversation(messages=3))
    run_in_adbc_process(OpenSealer.open, record.settings)
    assert run_in_adbc_process(OpenSealer.step, 0.0) == []
    assert run_in_adbc_process(OpenSealer.step, 14.9) == []
    assert run_in_adbc_process(OpenSealer.step, 15.0) == [5]
    record.write(make_conversation("c2", messages=9))
    assert run_in_adbc_process(OpenSealer.step, 15.0) == [10, 1]
    run_in_adbc_process(OpenSealer.close)


def test_the_reader_sees_events_committed_after_it_was_opened(record: Record) -> None:
    record.write(make_conversation(messages=1))
    run_in_adbc_process(OpenSealer.open, record.settings)
    assert run_in_adbc_process(OpenSealer.position) == 3
    record.write(make_conversation("c2", messages=1))
    assert run_in_adbc_process(OpenSealer.position) == 6
    run_in_adbc_process(OpenSealer.close)


@pytest.mark.sqlite
def test_the_reader_waits_for_an_exclusive_lock_on_the_store(record: Record) -> None:
    """SQLite takes this lock when the last connection closes and checkpoints the WAL."""
    record.write(make_conversation())
    run_in_adbc_process(os.getpid)  # start the process, so that the seal begins at once
    with closing(sqlite3.connect(record.settings.store_path, check_same_thread=False)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.3, holder.close)
        release.start()
        assert record.seal()
        release.join()


def run_and_stop(settings: Settings) -> None:
    """Run the lake process and stop it at once."""
    stop = threading.Event()
    runner = threading.Thread(target=sealer.run, args=(settings, stop))
    runner.start()
    stop.set()
    runner.join(30)
    assert not runner.is_alive()


def run_and_request_seal(settings: Settings) -> None:
    """Run the lake process and request a seal before it is due."""
    stop = threading.Event()
    runner = threading.Thread(target=sealer.run, args=(settings, stop))
    runner.start()
    try:
        sealer.catch_up(settings, seconds=20)
    finally:
        stop.set()
        runner.join(30)


def test_the_next_lake_process_seals_remaining_events(record: Record) -> None:
    record.write(make_conversation(messages=4))
    run_in_adbc_process(run_and_stop, record.settings)
    assert len(sealed_rows(record)) in (0, 6)  # stopped before it began, or sealed everything
    run_in_adbc_process(sealer.catch_up, record.settings)
    assert len(sealed_rows(record)) == 6


def test_a_seal_request_makes_a_running_lake_process_seal_at_once(record: Record) -> None:
    record.write(make_conversation(messages=4))
    run_in_adbc_process(
        run_and_request_seal, record.settings.model_copy(update={"seal_seconds": 3600})
    )
    assert len(sealed_rows(record)) == 6


def test_a_lake_has_one_sealer(record: Record) -> None:
    record.settings.lake_path.mkdir(parents=True)
    with (
        take_lock(record.settings.lake_path / "lake.lock"),
        pytest.raises(sealer.LakeLockedError, match="stop it first"),
    ):
        sealer.run(record.settings, threading.Event(), lock_seconds=0)


def test_the_sealing_time_is_in_the_manifest(record: Record) -> None:
    record.write(make_conversation(messages=1))
    (segment,) = record.seal()
    assert segment.sealed_at == from_micros(record.clock()).isoformat()
