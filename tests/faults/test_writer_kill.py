"""The writer in a process of its own: kill -9 of it under load, and of the API above it; SIGTERM."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import httpx2
import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.factories import make_event
from tests.faults.checker import AcknowledgedEvents, Verdict, check
from tests.faults.conftest import Found
from tests.faults.processes import (
    CONVERSATIONS,
    Load,
    open_conversations,
    running,
    writer_of,
)

RESTART_SECONDS = 10.0
"""The writer is back after 2 s; on a machine with much else to do, after 10 s."""

DRAIN_SECONDS = 5.0

STARTED_AND_WAITS_SECONDS = 12.0
"""An API has started by then, and one that finds another API at work has ended."""


def kill_writers(
    settings: Settings, acknowledged: AcknowledgedEvents, cycles: int, workers: int
) -> list[float]:
    """Kill the writer of one API, or of several workers, under load, again and again; return how long each restart took."""
    key = get_or_create_local_key(settings, wall_clock())
    restarts: list[float] = []
    with (
        running(settings, CONVOLAKE_WORKERS=str(workers)) as api,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        open_conversations(client)
        for cycle in range(cycles):
            enough = random.randint(20, 200)  # noqa: S311 (when to kill)
            with Load(settings, key, acknowledged, f"w{cycle}", enough) as load:
                assert load.enough.wait(60)
                os.kill(writer_of(api), signal.SIGKILL)
                restarts.append(_until_accepted(settings, key, acknowledged, f"after-{cycle}"))
            assert api.poll() is None
    return restarts


def _until_accepted(
    settings: Settings, key: str, acknowledged: AcknowledgedEvents, event_id: str
) -> float:
    """Return the seconds until an event is accepted. Every other answer is a 503 that says when to come again."""
    started = time.monotonic()
    event = make_event(conversation_id=CONVERSATIONS[0], event_id=event_id)
    while True:
        answer = httpx2.post(
            f"{settings.url}/v1/events",
            json=event,
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        )
        if answer.is_success:
            acknowledged.acknowledge(event_id, answer.json()["sequence"])
            return time.monotonic() - started
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        time.sleep(0.01)


def send_unanswered_again(settings: Settings, acknowledged: AcknowledgedEvents) -> list[str]:
    """Send what was never answered again, as clients do; return the statuses."""
    key = get_or_create_local_key(settings, wall_clock())
    events = [
        make_event(conversation_id=CONVERSATIONS[int(each.split("-")[-1]) % len(CONVERSATIONS)], event_id=each)
        for each in sorted(acknowledged.unknown)
    ]  # fmt: skip
    with running(settings), Client(settings.url, key) as client:
        client.wait_until_ready()
        return [str(each.status) for result in client.record(events) for each in result.results]


def verdict_after_retries(
    settings: Settings, acknowledged: AcknowledgedEvents
) -> tuple[Verdict, int]:
    """Hold the store against what was acknowledged; return also how many retries met their own event."""
    before = check(acknowledged, settings)
    statuses = send_unanswered_again(settings, acknowledged)
    assert statuses.count("duplicate") == before.appeared
    assert statuses.count("accepted") == before.unknown - before.appeared
    return check(acknowledged, settings), before.appeared


@pytest.mark.fault("writer kill")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, 3])
def test_kills_of_the_writer_lose_and_double_no_event_and_it_starts_again(
    settings: Settings, workers: int, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    restarts = kill_writers(settings, acknowledged, cycles(10, 50), workers)
    verdict, met = verdict_after_retries(settings, acknowledged)
    note = f"{workers} API: accepts events again after {median(restarts):.1f} s (at most {max(restarts):.1f} s); {met} of {verdict.unknown} unanswered events were there, and their retries duplicates"
    found(cycles=len(restarts), **verdict.figures(), note=note)
    assert verdict.acknowledged > 20 * len(restarts)
    assert verdict.ok, verdict
    assert max(restarts) < RESTART_SECONDS


@pytest.mark.control("writer kill")
@pytest.mark.timeout(900)
def test_control_a_writer_that_acknowledges_before_it_commits_loses_events(
    settings: Settings, found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    with running(settings, variant="early") as api, Client(settings.url, key) as client:
        client.wait_until_ready()
        open_conversations(client)
        with Load(settings, key, acknowledged, "early", 500) as load:
            assert load.enough.wait(60)
            os.kill(writer_of(api), signal.SIGKILL)
    verdict = check(acknowledged, settings)
    found(loss=f"acknowledging before the commit: {verdict.lost} of {verdict.acknowledged} lost")
    assert verdict.lost + verdict.moved > 0


@pytest.mark.fault("writer kill")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, 3])
def test_kills_of_the_api_leave_no_writer_and_lose_and_double_no_event(
    settings: Settings, workers: int, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    for cycle in range(cycles(10, 50)):
        with (
            running(settings, CONVOLAKE_WORKERS=str(workers)) as api,
            Client(settings.url, key) as client,
        ):
            client.wait_until_ready()
            open_conversations(client)
            enough = random.randint(20, 200)  # noqa: S311 (when to kill)
            with Load(settings, key, acknowledged, f"a{cycle}", enough) as load:
                assert load.enough.wait(60)
                writer = writer_of(api)
                api.kill()
                wait_until(partial(_has_ended, writer), RESTART_SECONDS, "the writer's end")
    verdict, met = verdict_after_retries(settings, acknowledged)
    note = f"API killed ({workers}); {met} of {verdict.unknown} unanswered events were there, and their retries duplicates"
    found(cycles=cycles(10, 50), **verdict.figures(), note=note)
    assert verdict.acknowledged > 20 * cycles(10, 50)
    assert verdict.ok, verdict


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_api_waits_for_the_writer_of_one_that_is_gone(settings: Settings) -> None:
    """The old writer is in a commit that takes long; the new API is what a supervisor starts."""
    key = get_or_create_local_key(settings, wall_clock())
    with running(settings) as api, Client(settings.url, key) as client:
        client.wait_until_ready()
        open_conversations(client)
        writer = writer_of(api)
        os.kill(writer, signal.SIGSTOP)
        api.kill()
        api.wait()
        with running(settings) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(STARTED_AND_WAITS_SECONDS)
            os.kill(writer, signal.SIGCONT)
            client.wait_until_ready()
            assert _has_ended(writer)


def _has_ended(pid: int) -> bool:
    """Whether a process has ended: the kernel may keep it."""
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()[:1] in ("", "Z")


@pytest.mark.parametrize("workers", [1, 3])
def test_sigterm_under_load_drains_within_5_s(settings: Settings, workers: int) -> None:
    acknowledged = AcknowledgedEvents()
    key = get_or_create_local_key(settings, wall_clock())
    with (
        running(settings, CONVOLAKE_WORKERS=str(workers)) as api,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        open_conversations(client)
        with Load(settings, key, acknowledged, "t", 100) as load:
            assert load.enough.wait(60)
            writer = writer_of(api)
            os.killpg(api.pid, signal.SIGTERM)  # as a service manager does
            code = api.wait(DRAIN_SECONDS)
            assert code == (0 if workers > 1 else -signal.SIGTERM)  # uvicorn ends by the signal
        assert _has_ended(writer)
    verdict = check(acknowledged, settings)
    assert verdict.ok, verdict
    assert not settings.store_path.with_name("log.sqlite-wal").exists()
