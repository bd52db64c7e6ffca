"""A full disk: writes are rejected with Retry-After, no event is lost, and writes resume automatically."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.factories import free_port
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import Found
from tests.faults.disks import enlarge, needs_mounts, small_disk
from tests.faults.processes import open_conversations, running, wait_for_the_lake
from tests.faults.writing import Writer

pytestmark = needs_mounts

TEXT = "x" * 20_000
FULL = 10
"""Consecutive rejections that show a full disk."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with small_disk(tmp_path / "disk", 8):
        yield Settings(data=tmp_path / "disk" / "data", port=free_port(), seal_seconds=0.1)


@pytest.mark.fault("disk full")
def test_a_full_disk_is_reported_and_no_acknowledged_event_is_lost(
    settings: Settings, whole: bool, found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    with running(settings) as api, running(settings, "lake"):
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        assert wait_for_the_lake(settings)
        with Writer(settings, key, acknowledged, TEXT) as writer:
            writer.write_until_rejected(FULL)
            writer.write_for(20 if whole else 1.5)  # the lake meets the full disk too
            rejected = [each for each in writer.answers if not each.is_success]
            enlarge(settings.data.parent, 64)
            waited = writer.write_until_accepted(20)
            assert writer.write().is_success
        assert wait_for_the_lake(settings)
        still_runs = api.poll() is None
    verdict = check(acknowledged, settings)
    codes = sorted({each.status_code for each in rejected})
    note = f"{len(rejected)} requests rejected, all with {codes}; accepted again {waited:.1f} s after there was room, without a restart"
    found(cycles=1, **verdict.figures(), note=note)
    assert len(rejected) >= FULL
    assert codes == [503]
    assert {each.headers["content-type"] for each in rejected} == {"application/problem+json"}
    assert all(int(each.headers["retry-after"]) > 0 for each in rejected)
    assert still_runs
    assert waited < 10
    assert verdict.ok, verdict
    assert verdict.appeared == 0


@pytest.mark.control("disk full")
def test_control_an_api_that_ignores_failed_commits_loses_events(
    settings: Settings, found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    with running(settings, variant="careless"):
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        with Writer(settings, key, acknowledged, TEXT) as writer:
            for _ in range(600):
                writer.write()
    verdict = check(acknowledged, settings)
    found(loss=f"ignoring failed commits: {verdict.lost} of {verdict.acknowledged} lost")
    assert verdict.lost > 0
