"""How long until an event that was posted can be read in the warehouse, under `convolake up`.

Everything runs as in an installation: API, lake, Dagster with its sensor, dashboard. One reader
keeps a connection to the warehouse and asks it again and again.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec

from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import Server, free_port, running, wait_until_up
from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import wall_clock
from ingest.settings import Settings
from warehouse.lake import WarehouseMissingError, connect

GOAL = Goal(15, 8, at_most=True)
POLL_SECONDS = 0.2
LONGEST = 180.0
"""Seconds after which an event that is not to be seen is taken for lost."""

CONVERSATION = "marked"


class NotVisibleError(RuntimeError):
    """A posted event did not come into the warehouse."""


@contextmanager
def installation(data: Path) -> Iterator[Server]:
    """`convolake up` on free ports with a data folder of its own."""
    settings = Settings(
        data=data, port=free_port(), dagster_port=free_port(), dashboard_port=free_port()
    )
    key = get_or_create_local_key(settings, wall_clock())
    environment = {
        "CONVOLAKE_DATA": str(data),
        "CONVOLAKE_PORT": str(settings.port),
        "CONVOLAKE_DAGSTER_PORT": str(settings.dagster_port),
        "CONVOLAKE_DASHBOARD_PORT": str(settings.dashboard_port),
    }
    log = data.with_suffix(".log")
    with running([sys.executable, "-m", "convolake", "up"], environment, log) as process:
        server = Server(settings.port, key, process, settings)
        wait_until_up(server, log)
        yield server


class Marks:
    """Events that were posted and when, and how long each took to be seen."""

    def __init__(self, server: Server) -> None:
        """Open the conversation that they go to."""
        self.waits: list[float] = []
        self._server = server
        self._posted: dict[str, float] = {}
        self._names = (f"mark-{number}" for number in itertools.count())
        self._send(
            "/v1/conversations",
            {
                "channel": "web",
                "conversation_id": CONVERSATION,
                "participants": [{"participant_id": "ada", "participant_role": "customer"}],
            },
        )

    def _send(self, path: str, body: dict[str, object]) -> None:
        self._server.request("POST", path, msgspec.json.encode(body), "application/json")

    def post(self) -> None:
        """Post one more."""
        name = next(self._names)
        self._posted[name] = time.monotonic()
        self._send(
            f"/v1/conversations/{CONVERSATION}/messages",
            {"participant_id": "ada", "message_id": name, "text": name},
        )

    def look(self, con: duckdb.DuckDBPyConnection) -> None:
        """Record which events are visible now. Raises NotVisibleError if one waits for too long."""
        found = con.execute(
            "select message_id from messages where conversation_id = ?", [CONVERSATION]
        ).fetchall()
        now = time.monotonic()
        for (name,) in found:
            if name in self._posted:
                self.waits.append(now - self._posted.pop(name))
        self._check(now)

    def _check(self, now: float) -> None:
        if any(now - posted > LONGEST for posted in self._posted.values()):
            raise NotVisibleError(f"an event is not to be seen after {LONGEST:.0f} s")

    def reader(self, warehouse: Path) -> duckdb.DuckDBPyConnection:
        """Return a connection, as soon as there is a warehouse. Raises NotVisibleError."""
        while True:
            try:
                con = connect(warehouse)
                con.execute("select 1 from messages limit 1")
            except (WarehouseMissingError, duckdb.Error):
                self._check(time.monotonic())
                time.sleep(POLL_SECONDS)
            else:
                return con

    @property
    def waiting(self) -> bool:
        """Whether any was posted and not seen yet."""
        return bool(self._posted)


def measure(size: Size, work: Path) -> list[Level]:
    """Return the seconds after which 95 of 100 events are visible."""
    count = size.count(30, 3)
    chosen = random.Random(6)  # noqa: S311
    with installation(work / "visible") as server:
        marks = Marks(server)
        marks.post()
        con = marks.reader(work / "visible" / "warehouse")
        _watch(marks, con, until=0)
        marks.waits.clear()  # the first one waited for Dagster to start
        for _ in range(count):
            marks.post()
            _watch(marks, con, until=time.monotonic() + chosen.uniform(2.0, 6.0))
        _watch(marks, con, until=0)
        con.close()
    waits = sorted(marks.waits)
    p95 = waits[min(len(waits) - 1, len(waits) * 95 // 100)]
    notes = [
        f"{len(waits)} events, one every 2 to 6 s; shortest {waits[0]:.1f} s, "
        f"median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s"
    ]
    return [Level("posted until in the warehouse, p95", "s", [p95], GOAL, notes)]


def _watch(marks: Marks, con: duckdb.DuckDBPyConnection, until: float) -> None:
    """Look until then; with 0, until nothing waits any more."""
    while marks.waiting if until == 0 else time.monotonic() < until:
        marks.look(con)
        time.sleep(POLL_SECONDS)
