"""The lake: sealed once, whole, and picked up where any crash left it."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.contract import SCHEMA, Segment, from_micros, manifest_path, read_manifest
from ingest.lake import sealer
from ingest.lake.sealer import LogReader, Sealer
from ingest.lake.segments import HoleError, Lake
from ingest.settings import Settings
from tests.factories import Record, a_conversation, an_event

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
            *a_conversation(),
            an_event(text="日本 🧵", payload={"a": 1}, occurred_at="2029-12-31T23:59:59.123456Z"),
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


def test_nothing_is_sealed_twice_and_nothing_is_left(record: Record) -> None:
    record.write(a_conversation(messages=40))
    assert len(record.seal(rows=10)) == 5
    assert record.seal(rows=10) == []
    record.write(a_conversation("c2"))
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 47))


def test_events_of_two_days_lie_in_two_folders(record: Record) -> None:
    record.clock.set(datetime(2030, 1, 1, 23, 59, 59, tzinfo=UTC))
    record.write(a_conversation())
    record.clock.forward(seconds=2)
    record.write(a_conversation("c2"))
    paths = [segment.path for segment in record.seal()]
    assert paths == [
        "events/received_on=2030-01-01/0-000000000001-000000000004.parquet",
        "events/received_on=2030-01-02/0-000000000005-000000000008.parquet",
    ]


def test_a_clock_that_jumps_back_over_midnight_loses_nothing(record: Record) -> None:
    for hour in (23, 1, 23, 1):
        day = 1 if hour == 23 else 2
        record.clock.set(datetime(2030, 1, day, hour, tzinfo=UTC))
        record.write(a_conversation(f"c{len(record.log('select 1 from events'))}", messages=1))
    assert len(record.seal()) == 4
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 13))


def test_a_table_that_does_not_follow_the_record_is_refused(record: Record) -> None:
    record.write(a_conversation(messages=5))
    lake = Lake(record.settings.lake_path)
    with LogReader(record.settings.store_path) as log:
        whole = log.read(0, 100)
        with pytest.raises(HoleError):
            lake.seal(log.read(1, 100), NOW)
    with pytest.raises(HoleError):
        lake.seal(whole.filter([position != 3 for position in whole["position"].to_pylist()]), NOW)
    assert lake.last_position == 0


class Crash(BaseException):
    """The process dies here."""


STEPS = [
    "write_table",
    "fsync of a file",
    "rename",
    "fsync of a folder",
    "line in the manifest",
    "fsync of the manifest",
]


def crash_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the next seal die right after the k-th step that reaches the disk."""
    real_write, real_fsync, real_rename, real_line = (
        pq.write_table, os.fsync, Path.rename, Segment.line,
    )  # fmt: skip
    seen = {"fsync": 0}

    def after(action: Callable[..., Any], die: bool) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = action(*args, **kwargs)
            if die:
                raise Crash
            return result

        return run

    def fsync(descriptor: int) -> None:
        seen["fsync"] += 1
        real_fsync(descriptor)
        if seen["fsync"] == {
            "fsync of a file": 1,
            "fsync of a folder": 2,
            "fsync of the manifest": 5,
        }.get(step):
            raise Crash

    monkeypatch.setattr(pq, "write_table", after(real_write, step == "write_table"))
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", after(real_rename, step == "rename"))
    monkeypatch.setattr(Segment, "line", after(real_line, step == "line in the manifest"))


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_seal_neither_loses_nor_doubles(
    record: Record, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.write(a_conversation(messages=6))
    crash_at(step, monkeypatch)
    with pytest.raises(Crash):
        record.seal()
    monkeypatch.undo()
    record.write(a_conversation("c2"))
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 13))
    files = {
        path.relative_to(record.settings.lake_path).as_posix()
        for path in record.settings.lake_path.glob("events/*/*")
    }
    assert files == {segment.path for segment in read_manifest(record.settings.lake_path)[0]}


def test_a_torn_line_is_dropped_and_its_events_are_sealed_again(record: Record) -> None:
    record.write(a_conversation(messages=6))
    record.seal(rows=4)
    manifest = manifest_path(record.settings.lake_path)
    manifest.write_bytes(manifest.read_bytes()[:-20])
    record.seal()
    assert [row["position"] for row in sealed_rows(record)] == list(range(1, 9))


def test_files_that_are_not_ours_are_left_alone(record: Record) -> None:
    record.write(a_conversation())
    record.seal()
    alien = (
        record.settings.lake_path
        / "events/received_on=2030-01-01/0-000000000900-000000000901.parquet"
    )
    alien.write_bytes(b"x")
    Lake(record.settings.lake_path)
    assert alien.exists()


# --- when to seal ----------------------------------------------------------------------


def test_a_segment_is_sealed_at_enough_rows_or_after_enough_time(record: Record) -> None:
    seconds = [0.0]
    with LogReader(_written(record, 3)) as log:
        lake = Lake(record.settings.lake_path)
        waiting = Sealer(log, lake, rows=10, seconds=15, monotonic=lambda: seconds[0])
        assert waiting.step(NOW) == []
        seconds[0] = 14.9
        assert waiting.step(NOW) == []
        seconds[0] = 15.0
        assert [segment.rows for segment in waiting.step(NOW)] == [5]
        record.write(a_conversation("c2", messages=9))
        assert [segment.rows for segment in waiting.step(NOW)] == [10, 1]


def test_the_reader_sees_events_that_come_after_it_was_opened(record: Record) -> None:
    with LogReader(_written(record, 1)) as log:
        assert log.last_position() == 3
        record.write(a_conversation("c2", messages=1))
        assert log.last_position() == 6


def _written(record: Record, messages: int) -> Path:
    record.write(a_conversation(messages=messages))
    return record.settings.store_path


def test_at_its_end_the_lake_process_seals_what_is_left(record: Record) -> None:
    _written(record, 4)
    stop = threading.Event()
    runner = threading.Thread(target=sealer.run, args=(record.settings, stop))
    runner.start()
    stop.set()
    runner.join(30)
    assert not runner.is_alive()
    assert len(sealed_rows(record)) in (0, 6)  # stopped before it began, or sealed everything
    sealer.catch_up(record.settings)
    assert len(sealed_rows(record)) == 6


def test_whoever_cannot_wait_has_a_running_lake_seal_at_once(record: Record) -> None:
    _written(record, 4)
    stop = threading.Event()
    slow = Settings(data=record.settings.data, seal_seconds=3600)
    runner = threading.Thread(target=sealer.run, args=(slow, stop))
    runner.start()
    try:
        sealer.catch_up(slow, seconds=20)
        assert len(sealed_rows(record)) == 6
    finally:
        stop.set()
        runner.join(30)


def test_a_lake_has_one_sealer(record: Record) -> None:
    record.settings.lake_path.mkdir(parents=True)
    with (
        sealer._take_lock(record.settings.lake_path / "lake.lock"),
        pytest.raises(sealer.LakeLockedError, match="stop it first"),
    ):
        sealer.run(record.settings, threading.Event(), lock_seconds=0)


def test_the_sealing_time_is_in_the_manifest(record: Record) -> None:
    _written(record, 1)
    (segment,) = record.seal()
    assert segment.sealed_at == from_micros(record.clock()).isoformat()
