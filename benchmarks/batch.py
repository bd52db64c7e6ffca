"""Batches of 1,000 events through the API, against SQLite alone writing the same rows.

The reference has the store's tables, indexes and pragmas and commits 1,000 rows at a time;
it reads no JSON, looks for no duplicate and keeps no state, and its rows are ready made.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.generator import EVENTS_PER_BATCH, drive
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.servers import Server, api_server
from benchmarks.stored import check_stored, create_conversations
from benchmarks.synthetic import Fold, creations, messages
from ingest.log.storage.engine import CHECKPOINT_PAGES, migrate
from ingest.log.storage.tables import events

CONNECTIONS = 4
GOAL = Goal(0.8, 1.2)
SECONDS = 120.0
"""A run is over when its events are stored; no run may take longer than this."""

INSERT = f"insert into events values ({', '.join('?' * len(events.c))})"


class ThroughTheApi:
    """The measured side."""

    def __init__(self, server: Server, batches: int) -> None:
        """Send `batches` requests a round."""
        self.acknowledged = 0
        self._server = server
        self._batches = batches

    def __call__(self, number: int) -> float:
        """Events a second."""
        outcome = drive(
            self._server,
            "batch",
            CONNECTIONS,
            requests=self._batches,
            seconds=SECONDS,
            first=number * self._batches * EVENTS_PER_BATCH,
        )
        self.acknowledged += outcome.acknowledged * EVENTS_PER_BATCH
        return outcome.rate * EVENTS_PER_BATCH


class StraightIntoSqlite:
    """The reference."""

    def __init__(self, connection: sqlite3.Connection, batches: int) -> None:
        """Write through `connection`, whose tables are those of the store."""
        self._connection = connection
        self._events = batches * EVENTS_PER_BATCH
        self._fold = Fold()
        self._write(self._fold.take_all(creations()))

    def __call__(self, number: int) -> float:
        """Events a second; the rows are made before the clock starts."""
        rows = [
            row
            for first in range(number * self._events, (number + 1) * self._events, EVENTS_PER_BATCH)
            for row in self._fold.take_all(messages(first, EVENTS_PER_BATCH))
        ]
        started = time.perf_counter()
        for first in range(0, len(rows), EVENTS_PER_BATCH):
            self._write(rows[first : first + EVENTS_PER_BATCH])
        return len(rows) / (time.perf_counter() - started)

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        self._connection.execute("begin immediate")
        self._connection.executemany(INSERT, rows)
        self._connection.execute("commit")


def open_store(path: Path) -> sqlite3.Connection:
    """Return a new store with the log's tables and pragmas, and transactions in our own hands."""
    migrate(f"sqlite:///{path}")
    connection = sqlite3.connect(path, isolation_level=None)
    checkpoint = f"wal_autocheckpoint={CHECKPOINT_PAGES}"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", checkpoint):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def measure(size: Size, work: Path) -> list[Figure]:
    """Events a second on both sides."""
    batches = size.count(100, 10)
    with api_server(work / "batch") as api, closing(open_store(work / "raw.sqlite")) as raw:
        create_conversations(api)
        ours = ThroughTheApi(api, batches)
        pairs = alternate(size, ours, StraightIntoSqlite(raw, batches))
        proof = check_stored(api, ours.acknowledged)
    return [
        Figure(
            f"batches of {EVENTS_PER_BATCH:,}, {CONNECTIONS} connections",
            "events acknowledged",
            "sqlite3 executemany of the same rows",
            pairs,
            GOAL,
            [proof],
        )
    ]
