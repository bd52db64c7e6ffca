"""A wall clock that jumps: order, sessions and sealing do not follow it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convolake.verify import verify
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.contract import from_micros
from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process, seal
from tests.factories import Clock, Record, free_port
from tests.faults.checker import AcknowledgedEvents, check
from tests.faults.conftest import RESULTS, Found
from tests.faults.processes import Load, open_conversations, running, wait_for_the_lake

pytestmark = pytest.mark.timeout(900)

TIMEOUT = 1800 * 1_000_000
"""Microseconds: the rule of the web, where these conversations are."""

JUMPS = [0, -600, 0, 3 * 86_400, -600, 0]
"""Seconds by which the clock is off, one after the other."""


@dataclass(frozen=True)
class Jumped:
    """A record written while the clock jumped; `sealed`: whether the lake caught up after each."""

    settings: Settings
    acknowledged: AcknowledgedEvents
    events: list[dict[str, Any]]
    sealed: list[bool]


@pytest.fixture(scope="module")
def jumped(tmp_path_factory: pytest.TempPathFactory) -> Jumped:
    folder = tmp_path_factory.mktemp("clock") / "place"
    settings = Settings(data=folder / "data", port=free_port(), seal_seconds=0.1)
    acknowledged = AcknowledgedEvents()
    sealed = write_while_the_clock_jumps(settings, acknowledged, 10 if RESULTS else 1)
    events = Record(settings, Clock()).log("select * from events order by position")
    return Jumped(settings, acknowledged, events, sealed)


def write_while_the_clock_jumps(
    settings: Settings, acknowledged: AcknowledgedEvents, rounds: int
) -> list[bool]:
    """Clients at work during every jump; whether the lake caught up after each."""
    offset = settings.data.parent / "offset"
    sealed: list[bool] = []
    key = get_or_create_local_key(settings, wall_clock())
    offset.write_text("0")
    with (
        running(settings, variant="jumping", JUMP_FILE=str(offset)),
        running(settings, "lake"),
        Client(settings.url, key) as client,
    ):
        client.wait_until_ready()
        open_conversations(client)
        for number in range(rounds):
            for jump, seconds in enumerate(JUMPS):
                with Load(settings, key, acknowledged, f"j{number}-{jump}", 40) as load:
                    jump_to(offset, seconds)
                    assert load.enough.wait(60)
                sealed.append(wait_for_the_lake(settings))
    return sealed


def jump_to(offset: Path, seconds: int) -> None:
    """Replaced as a whole, since the clock may be read at any moment."""
    partial = offset.with_suffix(".next")
    partial.write_text(str(seconds))
    partial.replace(offset)


def sessions_ended_wrongly(events: list[dict[str, Any]], timeout: int) -> int:
    """Sessions that ended although the pause between two of their events was below the timeout."""
    latest: dict[str, int] = {}
    wrong = 0
    for event in events:
        key = event["conversation_id"]
        if event["event_type"] == "session.ended":
            wrong += event["happened_at"] - latest[key] < timeout
        elif event["event_type"] == "message.created":
            latest[key] = max(latest.get(key, 0), event["happened_at"])
    return wrong


@pytest.mark.fault("clock")
def test_clock_jumps_do_not_change_order_sessions_or_sealing(jumped: Jumped, found: Found) -> None:
    settings, events, sealed = jumped.settings, jumped.events, jumped.sealed
    verdict = check(jumped.acknowledged, settings)
    wrong = sessions_ended_wrongly(events, TIMEOUT)
    late = sum(each["happened_at"] > each["received_at"] for each in events)
    ended = sum(each["event_type"] == "session.ended" for each in events)
    note = f"{len(sealed)} jumps, {len(events):,} events: {late} happened after they were received; {ended} sessions ended, {wrong} of them wrongly; sealing continued after {sum(sealed)} of the jumps"
    found(cycles=len(sealed), **verdict.figures(), note=note)
    assert verdict.ok, verdict
    assert (late, wrong) == (0, 0)
    assert ended > 0  # three days on, a session is over
    assert all(sealed)
    Record(settings, Clock()).load()
    assert [each for each in run_in_adbc_process(verify, settings).checks if not each.ok] == []


def test_sealing_uses_the_monotonic_clock(record: Record) -> None:
    """Whatever time it is said to be when a segment is sealed."""
    for jump in JUMPS:
        record.write([{"event_type": "contact.created", "contact_id": f"k{jump}"}])
        at = from_micros(record.clock() + jump * 1_000_000)
        assert len(run_in_adbc_process(seal, record.settings, 10, at)) == 1
    segments, _ = read_manifest(record.settings.lake_path)
    assert [each.last_position for each in segments] == list(range(1, len(JUMPS) + 1))


@pytest.mark.control("clock")
def test_control_order_and_sessions_by_wall_clock_are_wrong(jumped: Jumped, found: Found) -> None:
    backwards = apart = 0
    before: dict[str, dict[str, Any]] = {}
    for event in jumped.events:
        last = before.get(event["conversation_id"], event)
        backwards += event["received_at"] < last["received_at"]
        apart += last["received_at"] - event["received_at"] >= TIMEOUT
        before[event["conversation_id"]] = event
    found(
        loss=f"by the clock instead: {backwards} events before their predecessors, {apart} sessions ended by a jump back"
    )
    assert backwards > 0
    assert apart > 0
