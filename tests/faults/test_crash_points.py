"""Killed at any system call of a seal or a load that changes the disk: the next one finishes it."""

import os
import random
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, make_conversation, make_event
from tests.faults import steps
from tests.faults.conftest import Found
from tests.faults.steps import Step, run_traced
from tests.faults.tracing import calls, needs_strace
from tests.warehouse_contents import contents
from warehouse.checks import CheckError
from warehouse.lake import connect
from warehouse.maintenance import live_files, maintain

pytestmark = [needs_strace, pytest.mark.timeout(3600)]

Point = tuple[str, int]
"""The n-th time that a thread makes a system call."""

Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""

QUICK = 2


def prepared(folder: Path, *, sealed: bool) -> Settings:
    """A record that was loaded once, with more in the log (or `sealed`) since."""
    record = Record(Settings(data=folder / "data"), Clock())
    record.publish(make_conversation("c1"))
    record.write([make_event(conversation_id="c1", event_id="more"), *make_conversation("c2", 14)])
    if sealed:
        record.seal()
    return record.settings


def copied(settings: Settings, folder: Path) -> Settings:
    """The same record in another folder, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(settings.data, folder / "data")
    return settings.model_copy(update={"data": folder / "data"})


def sealed_rows(settings: Settings) -> list[dict[str, Any]]:
    """Every row of the lake. Raises if a file of the manifest cannot be read."""
    lake = settings.lake_path
    return [
        row
        for segment in read_manifest(lake)[0]
        for row in pq.read_table(lake / segment.path, partitioning=None).to_pylist()
    ]


def points(step: Step, settings: Settings, folder: Path) -> list[Point]:
    """Every point of `step`, found by doing it once without a fault."""
    trial = copied(settings, folder / "trial")
    assert run_traced(step, trial, folder / "trace") == 0
    counted = calls(folder / "trace")
    return [(name, number) for name in sorted(counted) for number in range(1, counted[name] + 1)]


def kill_at(point: Point, step: Step, settings: Settings, folder: Path) -> Settings:
    """A copy of the record, left as it is when `step` is killed at `point`."""
    name, number = point
    broken = copied(settings, folder / "broken")
    option = f"inject={name}:signal=SIGKILL:when={number}"
    assert run_traced(step, broken, folder / "trace", "-e", option) in (-9, 0)
    return broken


def some(of: list[Point], whole: bool) -> list[Point]:
    """All, or a few: each kind of call is among them in one run or the next."""
    return of if whole else random.sample(of, min(QUICK, len(of)))


@pytest.mark.fault("seal crash")
def test_a_seal_killed_at_any_point_is_finished_by_the_next_one(
    tmp_path: Path, whole: bool, found: Found
) -> None:
    settings = prepared(tmp_path, sealed=False)
    done = copied(settings, tmp_path / "done")
    run_in_adbc_process(steps.seal, done)
    expected = sealed_rows(done)
    all_of_them = points(steps.seal, settings, tmp_path)
    attempts = some(all_of_them, whole)
    lost, doubled, left = 0, 0, 0
    for point in attempts:
        broken = kill_at(point, steps.seal, settings, tmp_path)
        run_in_adbc_process(steps.seal, broken)
        rows = sealed_rows(broken)
        times = Counter(row["position"] for row in rows)
        lost += len([row for row in expected if row not in rows])
        doubled += sum(times.values()) - len(times)
        left += len(files(broken.lake_path)) - len(read_manifest(broken.lake_path)[0])
    note = (
        f"{len(attempts)} of {len(all_of_them)} points; {left} files left over after the next seal"
    )
    found(cycles=len(attempts), lost=lost, doubled=doubled, note=note)
    assert len(all_of_them) > 20
    assert (lost, doubled, left) == (0, 0, 0), attempts


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("events/**/*") if path.is_file()]


@pytest.mark.control("seal crash")
def test_control_a_seal_that_writes_the_manifest_line_first_breaks(
    tmp_path: Path, found: Found
) -> None:
    settings = prepared(tmp_path, sealed=False)
    all_of_them = points(steps.seal_line_first, settings, tmp_path)
    broken = 0
    for point in all_of_them:
        killed = kill_at(point, steps.seal_line_first, settings, tmp_path)
        run_in_adbc_process(steps.seal, killed)
        broken += is_unreadable(killed)
    found(
        loss=f"the line before the file: a lake that cannot be read after {broken} of {len(all_of_them)} points"
    )
    assert broken > 0


def is_unreadable(settings: Settings) -> bool:
    try:
        sealed_rows(settings)
    except (OSError, ValueError, ManifestError):
        return True
    return False


@pytest.mark.fault("load crash")
def test_a_load_killed_at_any_point_is_finished_by_the_next_one(
    tmp_path: Path, whole: bool, found: Found
) -> None:
    settings = prepared(tmp_path, sealed=True)
    before = contents(Record(settings, Clock()))
    done = Record(copied(settings, tmp_path / "done"), Clock())
    done.load()
    expected, files_done = contents(done), data_files(done)
    all_of_them = points(steps.load, settings, tmp_path)
    attempts = some(all_of_them, whole)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(
            pool.map(
                lambda at: finished_after(at, settings, before, expected, files_done), attempts
            )
        )
    halves = [point for point, result in zip(attempts, results, strict=True) if result.is_half]
    wrong = [point for point, result in zip(attempts, results, strict=True) if result.is_wrong]
    lost, doubled, orphans, kept = (
        sum(result.lost for result in results),
        sum(result.doubled for result in results),
        max(result.orphans for result in results),
        sum(result.kept for result in results),
    )
    note = f"{len(attempts)} of {len(all_of_them)} points; half a load was seen after {len(halves)}, other tables than without a kill after {len(wrong)}; at most {orphans} data files that no snapshot names, {kept} after the upkeep of a day later"
    found(cycles=len(attempts), lost=lost, doubled=doubled, note=note)
    assert len(all_of_them) > 50
    assert (halves, wrong, kept) == ([], [], 0)


class Finished(NamedTuple):
    """What the load after a killed one left."""

    is_half: bool
    """The killed load was seen half done."""
    is_wrong: bool
    """The tables differ from those of a load without a kill."""
    lost: int
    doubled: int
    orphans: int
    """Data files that no snapshot names."""
    kept: int
    """Those of them that are still there after the upkeep of a day later."""


def finished_after(
    point: Point, settings: Settings, before: Contents, expected: Contents, files_done: int
) -> Finished:
    """Kill a load at `point`, load again, and compare with a load that was not killed."""
    with TemporaryDirectory(dir=settings.data.parent) as folder:
        broken = Record(kill_at(point, steps.load, settings, Path(folder)), Clock())
        is_half = contents(broken) not in (before, expected)
        broken.load()
        finished = contents(broken)
        times = Counter(row["position"] for row in finished["events"])
        orphans = data_files(broken) - files_done
        return Finished(
            is_half=is_half,
            is_wrong=finished != expected,
            lost=len(expected["events"]) - len(times),
            doubled=sum(times.values()) - len(times),
            orphans=orphans,
            kept=unnamed_after_upkeep(broken) if orphans else 0,
        )


def data_files(record: Record) -> int:
    return len(list(record.settings.warehouse_path.rglob("*.parquet")))


def unnamed_after_upkeep(record: Record) -> int:
    """Data files that are still there, and that no query opens, once upkeep was done."""
    warehouse = record.settings.warehouse_path
    maintain(warehouse, datetime.now(UTC) + timedelta(days=2), snapshot_days=1)
    with connect(warehouse) as con:
        return data_files(record) - live_files(con)


@pytest.mark.control("load crash")
def test_control_a_load_with_the_ledger_in_another_transaction_breaks(
    tmp_path: Path, found: Found
) -> None:
    settings = prepared(tmp_path, sealed=True)
    done = Record(copied(settings, tmp_path / "done"), Clock())
    done.load()
    expected = contents(done)
    every = points(steps.load_in_two, settings, tmp_path)
    for point in sorted(
        every, key=lambda point: (point[0] != "fsync", -point[1])
    ):  # late ones first
        broken = Record(kill_at(point, steps.load_in_two, settings, tmp_path), Clock())
        if is_broken(broken, expected):
            break
    found(
        loss=f"rows and ledger in two transactions: broken for good by a kill at {' '.join(map(str, point))} of {len(every)} points"
    )
    assert is_broken(broken, expected)


def is_broken(record: Record, expected: Contents) -> bool:
    """Whether the next load cannot finish what was begun."""
    try:
        record.load()
    except CheckError:
        return True
    return contents(record) != expected
