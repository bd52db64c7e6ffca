"""Compaction: closed days become few files with the same rows, and no reader gets wrong rows."""

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from convolake.cli import app
from convolake.verify import verify
from ingest.contract import manifest_path
from ingest.lake import compaction, sealer
from ingest.lake.compaction import compact, plan, remove_replaced
from ingest.lake.compaction_schedule import compact_now
from ingest.lake.segments import Lake
from ingest.manifest import ManifestError, Segment, file_sha256, read_manifest
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Record, make_conversation, make_event
from tests.test_lake import Crash
from tests.warehouse_contents import contents, delete_warehouse

DAY = datetime(2030, 1, 1, 10, tzinfo=UTC)
NEXT = datetime(2030, 1, 2, 2, tzinfo=UTC)


@pytest.fixture
def two_days(record: Record) -> Record:
    """Three segments of a closed day, and one of the next day."""
    record.write(
        [event for number in range(3) for event in make_conversation(f"c{number}", messages=2)]
    )
    record.seal(rows=4)
    next_day(record)
    return record


def next_day(record: Record) -> None:
    record.clock.forward(days=1)
    key = f"later-{record.clock.now}"
    record.write([make_event("conversation.created", conversation_id=key)])
    record.seal()
    record.clock.forward(hours=-8)  # 02:00


def lake_of(record: Record) -> Path:
    return record.settings.lake_path


def rows(record: Record) -> pa.Table:
    lake = lake_of(record)
    return pa.concat_tables(
        pq.read_table(lake / segment.path, partitioning=None) for segment in read_manifest(lake)[0]
    )


def compacted(record: Record, now: datetime = NEXT) -> list[Segment]:
    return list(compact(Lake(lake_of(record)), now))


def files(record: Record) -> list[str]:
    lake = lake_of(record)
    return sorted(path.relative_to(lake).as_posix() for path in lake.glob("events/*/*"))


# --- which days are compacted, and when -------------------------------------------------


def test_a_closed_day_becomes_one_segment_with_the_same_rows(two_days: Record) -> None:
    before, old = rows(two_days), read_manifest(lake_of(two_days))[0]
    (segment,) = compacted(two_days)
    assert segment.path == "events/received_on=2030-01-01/0-000000000001-000000000012.parquet"
    assert (segment.rows, segment.sealed_at) == (12, NEXT.isoformat())
    assert segment.sha256 == file_sha256(lake_of(two_days) / segment.path)
    assert rows(two_days).equals(before)
    now, _ = read_manifest(lake_of(two_days))
    assert now == [segment, old[3]]
    assert list(segment.replaces) == old[:3]
    assert compacted(two_days) == []


@pytest.mark.parametrize(("hour", "segments"), [(0, 0), (1, 1)])
def test_a_day_is_not_compacted_for_an_hour(two_days: Record, hour: int, segments: int) -> None:
    assert len(compacted(two_days, datetime(2030, 1, 2, hour, tzinfo=UTC))) == segments


def test_a_day_is_not_compacted_until_a_later_day_has_events(record: Record) -> None:
    record.write(make_conversation(messages=6))
    record.seal(rows=4)
    assert plan(read_manifest(lake_of(record))[0], NEXT + timedelta(days=9)) == []
    next_day(record)
    assert len(plan(read_manifest(lake_of(record))[0], NEXT)) == 1


def test_a_day_in_two_runs_is_compacted_run_by_run(record: Record) -> None:
    for number, (day, hour) in enumerate(((1, 23), (2, 1), (1, 23), (3, 1))):
        record.clock.set(datetime(2030, 1, day, hour, tzinfo=UTC))
        record.write(make_conversation(f"c{number}", messages=4))
        record.seal(rows=3)
    before = rows(record)
    assert [segment.path[-33:-8] for segment in compacted(record, NEXT + timedelta(days=9))] == [
        "000000000001-000000000006",
        "000000000013-000000000018",
        "000000000007-000000000012",
    ]
    assert rows(record).equals(before)


def test_a_compacted_segment_has_a_maximum_size_and_is_compacted_once(
    two_days: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "ROWS", 8)
    monkeypatch.setattr(compaction, "ROW_GROUP", 3)
    before = rows(two_days)
    assert [segment.rows for segment in compacted(two_days)] == [8]
    monkeypatch.undo()
    assert compacted(two_days) == []
    assert rows(two_days).equals(before)


# --- crashes, stops and damage ----------------------------------------------------------

STEPS = ["ParquetWriter", "read back", "fsync 1", "rename", "fsync 2", "line", "fsync 3"]


def crash_after(action: Callable[..., Any], at: int = 1) -> Callable[..., Any]:
    """`action`, with a crash after its call number `at`."""
    calls = [0]

    def run(*args: Any, **kwargs: Any) -> Any:
        result = action(*args, **kwargs)
        calls[0] += 1
        if calls[0] == at:
            raise Crash
        return result

    return run


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_compaction_undoes_or_completes_it(
    two_days: Record, step: str
) -> None:
    before = rows(two_days)
    place, name = {
        "ParquetWriter": (pq, "ParquetWriter"),
        "read back": (compaction, "_read_back"),
        "rename": (Path, "rename"),
        "line": (Segment, "line"),
    }.get(step, (os, "fsync"))
    action = crash_after(getattr(place, name), int(step[-1]) if "fsync" in step else 1)
    # A killed process does not clean up.
    with (
        patch.object(place, name, action),
        patch.object(Path, "unlink", lambda *_, **__: None),
        pytest.raises(Crash),
    ):
        compacted(two_days)
    assert rows(two_days).equals(before)
    two_days.write(make_conversation("more"))
    two_days.seal()
    compacted(two_days)
    record, _ = read_manifest(lake_of(two_days))
    assert [segment.rows for segment in record] == [12, 2, 4]
    assert rows(two_days).slice(0, 14).equals(before)
    named = {each.path for segment in record for each in (segment, *segment.replaces)}
    assert set(files(two_days)) == named


def test_sealing_continues_during_a_compaction(
    two_days: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "ROW_GROUP", 5)
    lake = Lake(lake_of(two_days))
    held = rows(two_days).slice(12, 1)
    last = [lake.cursor[0]]

    def seal() -> bool:
        last[0] += 1
        at = held.schema.get_field_index("position")
        lake.seal(held.set_column(at, held.schema.field(at), pa.array([last[0]])), NEXT)
        return True

    assert len(list(compact(lake, NEXT, seal))) == 1
    assert rows(two_days)["position"].to_pylist() == list(range(1, last[0] + 1))
    assert last[0] > 14


def test_a_stopped_compaction_leaves_the_day_unchanged(two_days: Record) -> None:
    before = files(two_days)
    assert list(compact(Lake(lake_of(two_days)), NEXT, lambda: False)) == []
    assert files(two_days) == before


@pytest.mark.parametrize("how", ["a flipped bit", "missing"])
def test_a_day_with_a_damaged_segment_is_skipped_and_the_reason_logged(
    two_days: Record, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    two_days.write(make_conversation("c7", messages=6))
    two_days.seal(rows=4)
    two_days.clock.forward(hours=22)
    next_day(two_days)
    old = lake_of(two_days) / read_manifest(lake_of(two_days))[0][1].path
    content = bytearray(old.read_bytes())
    content[300] ^= 1
    old.unlink() if how == "missing" else old.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        done = compacted(two_days, NEXT + timedelta(days=9))
    assert [str(segment.received_on) for segment in done] == ["2030-01-02"]
    assert "2030-01-01 is not compacted" in caplog.text
    assert old.name in caplog.text


def test_a_compacted_file_that_does_not_read_back_is_not_committed(
    two_days: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(two_days)
    real = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *args: real(*args).slice(1))
    assert compacted(two_days) == []
    assert files(two_days) == before


# --- the manifest -----------------------------------------------------------------------


def test_replaced_files_stay_for_a_day_and_until_the_new_file_is_verified(
    two_days: Record,
) -> None:
    old = [segment.path for segment in read_manifest(lake_of(two_days))[0][:3]]
    (segment,) = compacted(two_days)
    after = NEXT + compaction.GRACE
    assert remove_replaced(lake_of(two_days), after - timedelta(seconds=1)) == []
    new = lake_of(two_days) / segment.path
    whole = new.read_bytes()
    new.write_bytes(whole[:-1])
    assert remove_replaced(lake_of(two_days), after) == []
    new.write_bytes(whole)
    assert [path.name for path in remove_replaced(lake_of(two_days), after)] == [
        Path(path).name for path in old
    ]
    assert len(files(two_days)) == 2
    assert remove_replaced(lake_of(two_days), after) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"rows": 11}, "does not hold"),
        ({"last_position": 13}, "does not hold"),
        ({"first_position": 5}, "does not replace"),
        ({"replaces": slice(0, 2)}, "does not hold"),
        ({"replaces": slice(1, 3)}, "does not replace"),
    ],
)
def test_a_manifest_line_that_replaces_the_wrong_segments_is_damage(
    two_days: Record, changed: dict[str, Any], why: str
) -> None:
    """Even with a correct checksum, the manifest must have exactly the replaced segments."""
    _, value = read_manifest(lake_of(two_days))
    (segment,) = compacted(two_days)
    part = changed.pop("replaces", slice(0, 3))
    wrong = Segment(**{**vars(segment), **changed, "replaces": segment.replaces[part]})
    path = manifest_path(lake_of(two_days))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + wrong.line(value)[0])
    with pytest.raises(ManifestError, match=f"line 5: {why}"):
        read_manifest(lake_of(two_days))


# --- the warehouse, verify, the process and the command ---------------------------------


def load_only(record: Record, chosen: tuple[int, ...]) -> None:
    """Load the chosen ones of the three segments; the others are missing meanwhile."""
    lake = lake_of(record)
    away = [each for n, each in enumerate(read_manifest(lake)[0][:3]) if n not in chosen]
    for each in away:
        (lake / each.path).rename(lake / f"{each.first_position}.away")
    record.load()
    for each in away:
        (lake / f"{each.first_position}.away").rename(lake / each.path)


@pytest.mark.long
def test_each_event_is_loaded_once_whenever_a_compaction_happens(two_days: Record) -> None:
    two_days.load()
    expected = contents(two_days)
    whole = manifest_path(lake_of(two_days)).read_bytes()
    choices = [choice for size in range(4) for choice in combinations(range(3), size)]
    for chosen in choices if os.environ.get("PROVE") else [(), (1,), (0, 2), (0, 1, 2)]:
        delete_warehouse(two_days)
        load_only(two_days, chosen)
        compacted(two_days)
        remove_replaced(lake_of(two_days), NEXT + compaction.GRACE) if chosen == (0, 1, 2) else None
        assert two_days.load().events == 12 - 4 * len(chosen)
        assert contents(two_days) == expected
        assert two_days.query("select path, rows, status from segments order by path") == [
            {"path": each.path, "rows": each.rows, "status": "loaded"}
            for each in read_manifest(lake_of(two_days))[0]
        ]
        assert two_days.load().segments == 0
        if chosen != (0, 1, 2):
            manifest_path(lake_of(two_days)).write_bytes(whole)
    delete_warehouse(two_days)
    two_days.load()  # the old files are gone
    assert contents(two_days) == expected


def broken(settings: Settings) -> list[str]:
    return [check.name for check in run_in_adbc_process(verify, settings).checks if not check.ok]


@pytest.mark.long
def test_verify_passes_for_a_compacted_record_before_and_after_its_load(two_days: Record) -> None:
    load_only(two_days, (0, 2))
    (segment,) = compacted(two_days)
    verdict = run_in_adbc_process(verify, two_days.settings)
    assert [check for check in verdict.checks if not check.ok] == []
    assert verdict.unloaded_events == 4
    two_days.load()
    remove_replaced(lake_of(two_days), NEXT + compaction.GRACE)
    assert broken(two_days.settings) == []
    new = lake_of(two_days) / segment.path
    content = bytearray(new.read_bytes())
    content[100] ^= 1
    new.write_bytes(content)
    assert "segments are the bytes that were sealed" in broken(two_days.settings)


@pytest.fixture
def old_days(record: Record) -> Record:
    """Two days that are closed by the real clock, too."""
    record.clock.set(datetime(2020, 1, 1, 10, tzinfo=UTC))
    record.write(make_conversation(messages=6))
    record.seal(rows=3)
    next_day(record)
    return record


def run_and_ask_to_compact(settings: Settings) -> None:
    stop = threading.Event()
    runner = threading.Thread(target=sealer.run, args=(settings, stop))
    runner.start()
    try:
        sealer.catch_up(settings, seconds=30)  # the lake process runs now
        compact_now(settings, seconds=30)
    finally:
        stop.set()
        runner.join(30)


def test_only_the_running_lake_process_compacts(old_days: Record) -> None:
    old_days.write(make_conversation("more"))
    run_in_adbc_process(run_and_ask_to_compact, old_days.settings)
    assert [each.rows for each in read_manifest(lake_of(old_days))[0]] == [8, 2, 4]


def test_the_command_compacts_and_reports_failures(old_days: Record) -> None:
    runner = CliRunner(env={"CONVOLAKE_DATA": str(old_days.settings.data)})
    first = lake_of(old_days) / read_manifest(lake_of(old_days))[0][0].path
    first.rename(first.with_suffix(".away"))
    failed = runner.invoke(app, ["compact"])
    assert (failed.exit_code, "skipped: 2020-01-01" in failed.output) == (1, True)
    first.with_suffix(".away").rename(first)
    done = runner.invoke(app, ["compact"])
    assert (done.exit_code, "4 segments before, 2 now" in done.output) == (0, True)
