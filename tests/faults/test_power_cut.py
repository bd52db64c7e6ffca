"""A power cut: what was acknowledged is in the log, and every line of the manifest has its file.

kill -9 cannot see a missing fsync, since the operating system lives on and writes later. Here
the file system is shut down without a flush, so that only what was flushed before is there.
"""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest

import warehouse.lake
from convolake.verify import verify
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.contract import from_micros
from ingest.manifest import file_sha256, read_manifest
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process, seal
from tests.factories import Clock, Record, free_port, make_conversation
from tests.faults import steps
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import RESULTS, Found
from tests.faults.disks import CutDisk, cut_disk, needs_mounts
from tests.faults.processes import Load, open_conversations, running, wait_for_the_lake

pytestmark = [needs_mounts, pytest.mark.timeout(1800)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[CutDisk]:
    with cut_disk(tmp_path) as disk:
        yield disk


@pytest.fixture
def settings(disk: CutDisk) -> Settings:
    return Settings(data=disk.path / "data", port=free_port(), seal_seconds=0.1)


def cut_under_load(
    disk: CutDisk,
    settings: Settings,
    key: str,
    acknowledged: AcknowledgedEvents,
    cycle: int,
    variant: str | None = None,
) -> None:
    """API and lake at work, then no power, then the disk as the next start finds it."""
    with (
        running(settings, variant=variant) as api,
        running(settings, "lake") as lake,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        open_conversations(client)
        assert wait_for_the_lake(settings)
        enough = random.randint(100, 1500)  # noqa: S311 (when to cut)
        with Load(settings, key, acknowledged, f"p{cycle}", enough) as load:
            assert load.enough.wait(60)
            acknowledged.cut()
            disk.cut()
            for process in (api, lake):
                process.send_signal(signal.SIGKILL)
    acknowledged.restore()
    disk.unmount()
    disk.mount()


def broken_segments(settings: Settings) -> list[str]:
    """Lines of the manifest without the file that they name."""
    return [
        segment.path
        for segment in read_manifest(settings.lake_path)[0]
        if not (settings.lake_path / segment.path).exists()
        or file_sha256(settings.lake_path / segment.path) != segment.sha256
    ]


@pytest.mark.fault("power cut")
def test_power_cuts_under_load_lose_no_acknowledged_or_sealed_event(
    disk: CutDisk, settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    broken: list[str] = []
    for cycle in range(cycles(2, 40)):
        cut_under_load(disk, settings, key, acknowledged, cycle)
        broken += broken_segments(settings)
    verdict = check(acknowledged, settings)
    segments = len(read_manifest(settings.lake_path)[0])
    note = (
        f"{segments} sealed segments, {len(broken)} of them short, missing or without their sha256; "
        f"{len(acknowledged.after_the_cut)} acknowledgements arrived during the power cut, "
        f"{len(verdict.gone_after_the_cut)} of these events are not there"
        f"{''.join(f', {after * 1000:.1f} ms' for after in verdict.gone_after_the_cut[:5])}"
    )
    found(cycles=cycles(2, 40), **verdict.figures(), note=note)
    assert verdict.ok, verdict
    assert verdict.acknowledged > 100 * cycles(2, 40)
    assert segments > 0
    assert broken == []
    the_rest_continues(settings)


def the_rest_continues(settings: Settings) -> None:
    """Sealed to the end, loaded, and proven: log = Parquet = warehouse."""
    run_in_adbc_process(seal, settings, 50_000, from_micros(wall_clock()))
    Record(settings, Clock()).load()
    verdict = run_in_adbc_process(verify, settings)
    assert [check for check in verdict.checks if not check.ok] == []
    assert (verdict.unsealed_events, verdict.unloaded_events) == (0, 0)


@pytest.mark.control("power cut")
@pytest.mark.parametrize("level", ["off", "normal"] if RESULTS else ["off"])
def test_control_commits_that_are_not_flushed_are_lost(
    disk: CutDisk, settings: Settings, level: str, found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    for cycle in range(1, 41):
        cut_under_load(disk, settings, key, acknowledged, cycle, level)
        verdict = check(acknowledged, settings)
        if verdict.lost:
            break
    found(
        loss=f"synchronous={level.upper()}: {verdict.lost} of {verdict.acknowledged} lost in {cycle} cycles"
    )
    assert verdict.lost > 0


def loaded_and_cut(disk: CutDisk, settings: Settings, cycle: int, seconds: float | None) -> None:
    """More events, and a load that has no power after `seconds`, or right after its end (None)."""
    record = Record(settings, Clock())
    record.write(make_conversation(f"w{cycle}", messages=60))
    record.seal()
    load = steps.begin(steps.load, settings)
    load.join(60 if seconds is None else seconds)
    disk.cut()
    load.kill()
    load.join()
    load.close()
    disk.unmount()
    disk.mount()


def is_whole(settings: Settings) -> bool:
    """Whether the next load finishes, and everything that was sealed can be read."""
    try:
        Record(settings, Clock()).load()
        return run_in_adbc_process(verify, settings).ok
    except duckdb.Error:
        return False


@pytest.mark.fault("load power cut")
def test_after_a_power_cut_during_a_load_the_warehouse_continues(
    disk: CutDisk, settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    broken = 0
    Record(settings, Clock()).publish(make_conversation())
    for cycle in range(cycles(2, 40)):
        seconds = random.random() if cycle % 2 else None  # noqa: S311 (when to cut)
        loaded_and_cut(disk, settings, cycle, seconds)
        broken += not is_whole(settings)
    note = f"log = Parquet = warehouse (`convolake verify`) was broken after {broken} of {cycles(2, 40)} cuts"
    found(cycles=cycles(2, 40), lost=broken, note=note)
    assert broken == 0


@pytest.mark.control("load power cut")
def test_control_a_load_that_does_not_fsync_its_files_loses_them(
    disk: CutDisk, settings: Settings, found: Found
) -> None:
    Record(settings, Clock()).publish(make_conversation())
    with patch.object(warehouse.lake, "_flush", lambda *_: None):
        Record(settings, Clock()).publish(make_conversation("w", messages=60))
    disk.cut()
    disk.unmount()
    disk.mount()
    empty = sum(each.stat().st_size == 0 for each in settings.warehouse_path.rglob("*.parquet"))
    found(loss=f"files not flushed before their catalog: {empty} empty files, cannot be read")
    assert empty > 0
    assert not is_whole(settings)
