"""A simulation against an API that is running already, in real time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from msgspec import Struct

from convolake.simulation.api_records import ApiRecords
from convolake.simulation.clocks import SECOND, RealClock
from convolake.simulation.comparison import Result, compare_all
from convolake.simulation.expected import Rows, expect
from convolake.simulation.found import Found
from convolake.simulation.plan import START, Pace
from convolake.simulation.play import Played, Scene, Stage
from convolake.simulation.schedule import Delivery, Schedule
from convolake.simulation.warehouse_records import WarehouseRecords
from ingest.client import Client, ProblemError
from ingest.contract import Cursor
from ingest.log.cursor import decode_cursor

LOAD_SECONDS, POLL_SECONDS = 120.0, 1.0
"""Maximum time until the events are in the warehouse, and the time between two looks."""

READY_SECONDS = 5.0
"""Maximum time until the API answers."""

MAX_CUSTOMERS = 100
"""Maximum customers of a simulation: the next second has the next hundred numbers."""

CUSTOMERS_A_SECOND = 4
"""How many begin in one second, so that a small machine keeps up."""

DIFFERENT_SECONDS = 90_000_000
"""Seconds until the numbers begin again: a phone number has at most 15 digits."""

REPEAT_SECONDS = (0, 0, 2, 5)
"""Delays of a repeated call: at the same moment, and within the turn or the next one."""

OPEN_SESSION = frozenset({"end", "reason of the end"})
"""Fields that have no value while a session lasts."""

TURNS = frozenset({"turn"})
"""Kinds of facts that the API does not have."""


def pace_of(now: int, customers: int) -> Pace:
    """Return a pace that begins after `now`, in microseconds, with customers whom no other simulation has."""
    seconds = now // SECOND
    return Pace(
        arrival_seconds=max(4, customers // CUSTOMERS_A_SECOND),
        start=seconds + 2,
        first_customer=(seconds - START) % DIFFERENT_SECONDS * MAX_CUSTOMERS,
        turn_seconds=8,
        receipt_seconds=range(2, 5),
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
    load_seconds: float = LOAD_SECONDS,
    pause: Callable[[float], object] = time.sleep,
) -> Result:
    """Play the schedule in real time; compare with the warehouse if it loads the events, or else with the API.

    `on_note` gets what a person should know. `is_lost`: calls that are not made although the plan expects them, as a control of the comparison.
    Raises ClientError, HTTPError, SimulationError. The channel account is removed in any case.
    """
    with httpx2.Client(base_url=client.url, headers=client.headers, timeout=60) as http:
        _check_scope(client)
        stage = Stage(scene, client, http, RealClock())
        played = stage.play(schedule.without(is_lost), on_progress)
        expected = expect(scene.provider, scene.plan, schedule, played.done)
        head = decode_cursor(client.ingest_stats().head)
        waiting = _Waiting(on_note, load_seconds, pause)
        has_stored = _has_stored(stage, played, on_note)
        with waiting.open_loaded(
            warehouse if has_stored else None, scene.account_id, head
        ) as records:
            if records is not None:
                source, read, undecided = "the warehouse", records.read, OPEN_SESSION
            else:
                on_note("compared with the API alone, which has no turns")
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


def _check_scope(client: Client) -> None:
    """Raise ProblemError if the key may not read contacts: better now than at the end."""
    try:
        client.contact("simulated")
    except ProblemError as error:
        if error.code != "unknown_contact":
            raise


def _has_stored(stage: Stage, played: Played, on_note: Callable[[str], object]) -> bool:
    """Return whether a conversation of the account was stored; without one, say why."""
    if any(True for _ in stage.conversations):
        return True
    reason = f": {played.differences[0].what}" if played.differences else ""
    on_note(f"no conversation was stored, so no load is waited for{reason}")
    return False


class _Waiting(Struct, frozen=True):
    """How to wait for a load."""

    on_note: Callable[[str], object]
    seconds: float
    pause: Callable[[float], object]

    @contextmanager
    def open_loaded(
        self, path: Path | None, account_id: str, head: Cursor
    ) -> Iterator[WarehouseRecords | None]:
        """Yield the warehouse once it has everything up to `head`; None without one, or if it does not load."""
        from warehouse.lake import catalog_path, connect

        if path is None:
            yield None
            return
        if not catalog_path(path).exists():
            self.on_note(f"there is no warehouse in {path}")
            yield None
            return
        self.on_note(f"waiting until the warehouse in {path} has the events …")
        with connect(path) as con:
            records = WarehouseRecords(con, account_id)
            yield records if self._is_loaded(records, head) else None

    def _is_loaded(self, records: WarehouseRecords, head: Cursor) -> bool:
        """Wait until the warehouse has everything up to `head`; return whether it has."""
        deadline = time.monotonic() + self.seconds
        while not records.holds(head):
            if time.monotonic() > deadline:
                self.on_note(f"it did not load them within {self.seconds:.0f} s")
                return False
            self.pause(POLL_SECONDS)
        return True
