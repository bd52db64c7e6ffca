"""A simulation against an API that is running already, in real time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from convolake.simulation.api_records import ApiRecords
from convolake.simulation.clocks import SECOND, RealClock
from convolake.simulation.comparison import Result, compare_all
from convolake.simulation.expected import Rows, expect
from convolake.simulation.found import Found
from convolake.simulation.plan import START, Pace
from convolake.simulation.play import Scene, Stage
from convolake.simulation.schedule import Delivery, Schedule
from convolake.simulation.warehouse_records import WarehouseRecords
from ingest.client import Client
from ingest.contract import Cursor
from ingest.log.cursor import decode_cursor

LOAD_SECONDS, POLL_SECONDS = 120.0, 1.0
"""Maximum time until the events are in the warehouse, and the time between two looks."""

READY_SECONDS = 5.0
"""Maximum time until the API answers."""

MAX_CUSTOMERS = 100
"""Maximum customers of a simulation: the next second has the next hundred numbers."""

REPEAT_SECONDS = (0, 0, 2, 5)
"""Delays of a repeated call: at the same moment, and within the turn or the next one."""

OPEN_SESSION = frozenset({"end", "reason of the end"})
"""What is open while a session lasts."""

TURNS = frozenset({"turn"})
"""What the API does not have."""

Pause = Callable[[float], object]


def pace_of(now: int) -> Pace:
    """Return a pace that begins after `now`, in microseconds, with customers whom no other simulation has."""
    seconds = now // SECOND
    return Pace(
        start=seconds + 2,
        first_customer=(seconds - START) * MAX_CUSTOMERS,
        turn_seconds=8,
        receipt_seconds=range(1, 4),
        has_returns=False,
    )


def simulate_running(
    client: Client,
    scene: Scene,
    schedule: Schedule,
    warehouse: Path,
    on_progress: Callable[[int], object] = lambda _: None,
    on_note: Callable[[str], object] = lambda _: None,
    is_lost: Callable[[Delivery], bool] = lambda _: False,
    pause: Pause = time.sleep,
) -> Result:
    """Play the schedule in real time; compare with the warehouse if it loads the events, or else with the API.

    `on_note` gets what a person should know. `is_lost`: calls that are not made although the plan expects them, as a control of the comparison.
    Raises ClientError, HTTPError, and LoopbackForbiddenError. The channel account is removed in any case.
    """
    with httpx2.Client(base_url=client.url, headers=client.headers, timeout=60) as http:
        stage = Stage(scene, client, http, RealClock())
        played = stage.play(schedule.without(is_lost), on_progress)
        expected = expect(scene.provider, scene.plan, schedule, played.done)
        head = decode_cursor(client.ingest_stats().head)
        on_note(f"waiting until {warehouse} has the events …")
        with _open_loaded(warehouse, scene.account_id, head, pause) as records:
            if records is not None:
                source, read, undecided = "the warehouse", records.read, OPEN_SESSION
            else:
                on_note(
                    f"{warehouse} does not load them: compared with the API alone, so without turns"
                )
                api = ApiRecords(client, http, stage.conversations)
                source, read, undecided = "the API", api.read, OPEN_SESSION | TURNS
            found = Found(read, scene.parts).rows()
    facts = _decided(expected, undecided), _decided(found, undecided)
    return compare_all(*facts, played.differences, source)


def _decided(rows: Rows, undecided: frozenset[str]) -> Rows:
    """Return the facts without the kinds and fields that are undecided."""
    return {
        name: {field: value for field, value in row.items() if field not in undecided}
        for name, row in rows.items()
        if name.partition(" ")[0] not in undecided
    }


@contextmanager
def _open_loaded(
    path: Path, account_id: str, head: Cursor, pause: Pause
) -> Iterator[WarehouseRecords | None]:
    """Yield the warehouse once it has everything up to `head`; None if there is none, or if it does not load."""
    from warehouse.lake import catalog_path, connect

    if not catalog_path(path).exists():
        yield None
        return
    deadline = time.monotonic() + LOAD_SECONDS
    with connect(path) as con:
        records = WarehouseRecords(con, account_id)
        while not (is_loaded := records.holds(head)) and time.monotonic() < deadline:
            pause(POLL_SECONDS)
        yield records if is_loaded else None
