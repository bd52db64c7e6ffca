"""Killed at any system call of a seal or a load that changes the disk: the next one finishes it."""

import random
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from tests.test_warehouse import contents
from warehouse.checks import CheckError
from warehouse.lake import connect
from warehouse.maintenance import live_files, maintain

pytestmark = [needs_strace, pytest.mark.timeout(3600)]

Point = tuple[str, int]
"""The n-th time that a thread makes a system call."""

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
    expected = contents(done)
    all_of_them = points(steps.load, settings, tmp_path)
    attempts = some(all_of_them, whole)
    halves, wrong, orphans, kept = [], [], 0, 0
    lost, doubled = 0, 0
    for point in attempts:
        broken = Record(kill_at(point, steps.load, settings, tmp_path), Clock())
        if contents(broken) not in (before, expected):
            halves.append(point)
        broken.load()
        finished = contents(broken)
        if finished != expected:
            wrong.append(point)
        times = Counter(row["position"] for row in finished["events"])
        lost += len(expected["events"]) - len(times)
        doubled += sum(times.values()) - len(times)
        left = data_files(broken) - data_files(done)
        if left > orphans:
            orphans = left
            kept += unnamed_after_upkeep(broken)
    note = f"{len(attempts)} of {len(all_of_them)} points; half a load was seen after {len(halves)}, other tables than without a kill after {len(wrong)}; at most {orphans} data files that no snapshot names, {kept} after the upkeep of a day later"
    found(cycles=len(attempts), lost=lost, doubled=doubled, note=note)
    assert len(all_of_them) > 50
    assert (halves, wrong, kept) == ([], [], 0)


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


def is_broken(record: Record, expected: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether the next load cannot finish what was begun."""
    try:
        record.load()
    except CheckError:
        return True
    return contents(record) != expected
