"""A full disk: refused with a reason and when to come back, nothing lost, and it goes on by itself."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx2
import pytest

from ingest.api.keys import local_key
from ingest.client import Client
from ingest.settings import Settings
from ingest.stamps import wall_clock
from tests.factories import an_event, free_port
from tests.faults.checker import Told, check
from tests.faults.conftest import Found
from tests.faults.disks import enlarge, needs_mounts, small_disk
from tests.faults.processes import open_conversations, running

pytestmark = needs_mounts

TEXT = "x" * 20_000
FULL = 10
"""So many refusals in a row are a full disk."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with small_disk(tmp_path / "disk", 8):
        yield Settings(data=tmp_path / "disk" / "data", port=free_port(), seal_seconds=0.1)


class Writer:
    """One client that writes on, whatever it is answered, and remembers it."""

    def __init__(self, settings: Settings, key: str, told: Told) -> None:
        self.answers: list[httpx2.Response] = []
        self._told = told
        self._http = httpx2.Client(
            base_url=settings.url, headers={"authorization": f"Bearer {key}"}, timeout=30
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def write(self) -> httpx2.Response:
        event_id = f"d{len(self.answers)}"
        event = an_event(conversation_id="c0", event_id=event_id, text=TEXT)
        answer = self._http.post("/v1/events", json=event)
        self.answers.append(answer)
        if answer.is_success:
            self._told.acknowledge(event_id, answer.json()["sequence"])
        else:
            self._told.leave_open(event_id)
        return answer

    def write_until_full(self) -> None:
        """Until nothing was taken several times in a row."""
        for _ in range(3000):
            self.write()
            if not any(each.is_success for each in self.answers[-FULL:]):
                return

    def write_until_taken(self, seconds: float) -> float:
        """Seconds until an event is taken again; at most `seconds`."""
        start = time.monotonic()
        while not self.write().is_success and time.monotonic() - start < seconds:
            time.sleep(0.1)
        return time.monotonic() - start


@pytest.mark.fault("disk full")
def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(
    settings: Settings, found: Found
) -> None:
    told = Told()
    key = local_key(settings, wall_clock())
    with running(settings) as api, running(settings, "lake"):
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        with Writer(settings, key, told) as writer:
            writer.write_until_full()
            refused = [each for each in writer.answers if not each.is_success]
            enlarge(settings.data.parent, 64)
            waited = writer.write_until_taken(20)
            assert writer.write().is_success
        still_runs = api.poll() is None
    verdict = check(told, settings)
    codes = sorted({each.status_code for each in refused})
    note = f"{len(refused)} requests refused, all with {codes}; taken again {waited:.1f} s after there was room, without a restart"
    found(cycles=1, **verdict.figures(), note=note)
    assert len(refused) >= FULL
    assert codes == [503]
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert all(int(each.headers["retry-after"]) > 0 for each in refused)
    assert still_runs
    assert waited < 10
    assert verdict.ok, verdict
    assert verdict.appeared == 0


@pytest.mark.control("disk full")
def test_control_an_api_that_ignores_failed_commits_loses(settings: Settings, found: Found) -> None:
    told = Told()
    key = local_key(settings, wall_clock())
    with running(settings, variant="careless"):
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        with Writer(settings, key, told) as writer:
            for _ in range(600):
                writer.write()
    verdict = check(told, settings)
    found(loss=f"ignoring failed commits: {verdict.lost} of {verdict.acknowledged} lost")
    assert verdict.lost > 0
