"""Several workers that share a port and a writer: kill -9 of one of them under load, and of the one that leads."""

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial

import httpx2
import pytest

from ingest.api.heartbeat import MAX_SILENT_BEATS
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import wait_until
from tests.cluster.processes import holder_of, workers_of
from tests.faults.checker import AcknowledgedEvents
from tests.faults.conftest import Found
from tests.faults.processes import Load, log_path, open_conversations, running
from tests.faults.test_writer_kill import RESTART_SECONDS, verdict_after_retries

WORKERS = 3

TAKEN_OVER_SECONDS = 10.0
"""Another worker leads after half a second; on a machine with much else to do, after 10 s."""


def kill_workers(
    settings: Settings,
    acknowledged: AcknowledgedEvents,
    cycles: int,
    choose: Callable[[list[int]], int],
) -> tuple[list[float], list[float]]:
    """Kill a worker under load, again and again.

    Return how long the others' next answer took, and how long it was until all ran again.
    """
    key = get_or_create_local_key(settings, wall_clock())
    answered: list[float] = []
    restarted: list[float] = []
    with (
        running(settings, CONVOLAKE_WORKERS=str(WORKERS)) as group,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        wait_until(lambda: len(workers_of(group.pid)) == WORKERS, RESTART_SECONDS, "the workers")
        open_conversations(client)
        for cycle in range(cycles):
            enough = random.randint(20, 200)  # noqa: S311 (when to kill)
            with Load(settings, key, acknowledged, f"k{cycle}", enough) as load:
                assert load.enough.wait(60)
                chosen = choose(workers_of(group.pid))
                started = time.monotonic()
                os.kill(chosen, signal.SIGKILL)
                wait_until(partial(_answers, settings), RESTART_SECONDS, "an answer")
                answered.append(time.monotonic() - started)
                wait_until(
                    partial(_is_replaced, group.pid, chosen), RESTART_SECONDS, "the next worker"
                )
                restarted.append(time.monotonic() - started)
            assert group.poll() is None
    return answered, restarted


def _answers(settings: Settings) -> bool:
    """Whether a worker answers: the kernel resets connections that the killed one did not accept."""
    try:
        return httpx2.get(f"{settings.url}/readyz", timeout=30).status_code == 200
    except httpx2.TransportError:
        return False


def _is_replaced(group: int, killed: int) -> bool:
    running = workers_of(group)
    return len(running) == WORKERS and killed not in running


@pytest.mark.fault("writer kill")
@pytest.mark.timeout(900)
def test_kills_of_a_worker_lose_and_double_no_event_and_the_others_answer(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    answered, restarted = kill_workers(settings, acknowledged, cycles(10, 50), random.choice)
    verdict, met = verdict_after_retries(settings, acknowledged)
    note = f"one of {WORKERS} workers killed; the others answer after at most {max(answered):.1f} s, and it runs again after at most {max(restarted):.1f} s; {met} of {verdict.unknown} unanswered events were there, and their retries duplicates"
    found(cycles=len(answered), **verdict.figures(), note=note)
    assert verdict.acknowledged > 20 * len(answered)
    assert verdict.ok, verdict
    assert verdict.unknown < 4 * len(answered)  # clients of the other workers continue
    assert "Traceback" not in log_path(settings, "api").read_text()


@pytest.mark.fault("writer kill")
@pytest.mark.timeout(900)
def test_kills_of_the_leader_lose_no_event_and_another_worker_leads(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    leaders: list[int] = []

    def leader(_workers: list[int]) -> int:
        def leads() -> bool:
            return holder_of(settings.leader_lock_path) not in (None, *leaders[-1:])

        wait_until(leads, TAKEN_OVER_SECONDS, "another leader")
        found = holder_of(settings.leader_lock_path)
        assert found is not None
        leaders.append(found)
        return found

    kill_workers(settings, acknowledged, cycles(5, 20), leader)
    verdict, met = verdict_after_retries(settings, acknowledged)
    note = f"the worker that leads killed; {met} of {verdict.unknown} unanswered events were there, and their retries duplicates"
    found(cycles=len(leaders), **verdict.figures(), note=note)
    assert len(set(leaders)) == len(leaders)
    assert verdict.ok, verdict


@pytest.mark.timeout(300)
def test_a_worker_that_hangs_is_replaced_and_no_event_is_lost(settings: Settings) -> None:
    """Clients of the others continue meanwhile."""
    key = get_or_create_local_key(settings, wall_clock())
    acknowledged = AcknowledgedEvents()
    with running(settings, CONVOLAKE_WORKERS=str(WORKERS)) as group:
        with Client(settings.url, key) as client:
            client.wait_until_ready()
            open_conversations(client)
        wait_until(lambda: len(workers_of(group.pid)) == WORKERS, RESTART_SECONDS, "the workers")
        with Load(settings, key, acknowledged, "h", 200) as load:
            assert load.enough.wait(60)
            hanging = workers_of(group.pid)[0]
            os.kill(hanging, signal.SIGSTOP)
            seconds = MAX_SILENT_BEATS + RESTART_SECONDS
            wait_until(partial(_is_replaced, group.pid, hanging), seconds, "the next worker")
    verdict, _ = verdict_after_retries(settings, acknowledged)
    assert verdict.ok, verdict
