"""kill -9 under load: what was acknowledged is there, once, and sequences have no hole."""

import random
import signal
import threading
from collections.abc import Callable

import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client, ClientError
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.factories import Clock, Record, make_event
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import Found
from tests.faults.processes import Load, open_conversations, running


def kill_under_load(
    settings: Settings, acknowledged: AcknowledgedEvents, cycle: int, variant: str | None = None
) -> None:
    """Start the API, write to it, kill it in the middle."""
    key = get_or_create_local_key(settings, wall_clock())
    with (
        running(settings, variant=variant) as process,
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        open_conversations(client)
        enough = random.randint(20, 200)  # noqa: S311 (when to kill)
        with Load(settings, key, acknowledged, f"k{cycle}", enough) as load:
            assert load.enough.wait(60)
            process.send_signal(signal.SIGKILL)


@pytest.mark.fault("kill")
@pytest.mark.timeout(900)
def test_kills_under_load_lose_duplicate_and_skip_no_event(
    settings: Settings, cycles: Callable[[int, int], int], found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    for cycle in range(cycles(5, 50)):
        kill_under_load(settings, acknowledged, cycle)
    verdict = check(acknowledged, settings)
    note = f"{verdict.appeared} of {verdict.unknown} unanswered events were there, once"
    found(cycles=cycles(5, 50), **verdict.figures(), note=note)
    assert verdict.acknowledged > 20 * cycles(5, 50)
    assert verdict.ok, verdict


@pytest.mark.control("kill")
def test_control_an_api_that_acknowledges_before_it_commits_loses_events(
    settings: Settings, found: Found
) -> None:
    acknowledged = AcknowledgedEvents()
    for cycle in range(1, 11):
        kill_under_load(settings, acknowledged, cycle, "early")
        verdict = check(acknowledged, settings)
        if verdict.lost:
            break
    found(
        loss=f"acknowledging before the commit: {verdict.lost} of {verdict.acknowledged} lost in {cycle} cycles"
    )
    assert verdict.lost > 0


def test_an_unacknowledged_event_is_stored_at_most_once(settings: Settings) -> None:
    """A client that retries across a kill meets its own event as a duplicate."""
    key = get_or_create_local_key(settings, wall_clock())
    events = [
        make_event("conversation.created", event_id="created"),
        *(make_event(event_id=f"e{n}") for n in range(200)),
    ]
    with running(settings) as process, Client(settings.url, key, retries=0) as client:
        client.wait_until_ready()
        killer = threading.Timer(0.05, process.kill)
        killer.start()
        with pytest.raises(ClientError):
            list(client.record(events * 1000, batch=20))
    with running(settings), Client(settings.url, key) as client:
        client.wait_until_ready()
        answered = [each for result in client.record(events, batch=50) for each in result.results]
    assert {each.status for each in answered} <= {"accepted", "duplicate"}
    rows = Record(settings, Clock()).log("select event_id from events where source = 'local'")
    assert sorted(row["event_id"] for row in rows) == sorted(
        str(event["event_id"]) for event in events
    )
