"""The warehouse's load, against DuckDB copying the same segments into the same kind of DuckLake.

Both sides have their connection and their empty tables before the clock starts, and stop it
after the commit. Ours checks every sha256, casts the times, checks the keys and the number of
rows, keeps its ledger and flushes its files to disk; the reference does none of that.
"""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.against_dlt import compare
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.synthetic import as_table, history
from ingest.lake.segments import Lake
from ingest.manifest import read_manifest
from warehouse import build, calendar_tables, definitions, incremental, ledger
from warehouse.calendar_tables import Calendar
from warehouse.incremental import FILES
from warehouse.lake import connect, transaction
from warehouse.load_report import LoadReport

ZONE = "UTC"
CALENDAR = Calendar(ZONE, (), 2026)
SEGMENT_ROWS = 50_000
EVENTS, QUICK_EVENTS = 1_000_000, 200_000
Work = Callable[[duckdb.DuckDBPyConnection, Path], int]
Within = Callable[[duckdb.DuckDBPyConnection, Path], AbstractContextManager[None]]


class LoadedWrongError(RuntimeError):
    """A load did not bring in the rows that the segments hold."""


class Loading:
    """One way of loading `lake`, each time into a warehouse of its own."""

    def __init__(
        self, lake: Path, work: Path, events: int, load: Work, within: Within = transaction
    ) -> None:
        """`load` brings the events in and returns how many are there, `within` a transaction."""
        self._lake = lake
        self._folders = (work / f"warehouse-{number}" for number in itertools.count())
        self._events = events
        self._load = load
        self._within = within

    def __call__(self, _round: int) -> float:
        """Events a second."""
        folder = next(self._folders)
        with connect(folder, read_only=False) as con:
            _prepare(con)
            started = time.perf_counter()
            with self._within(con, folder):
                loaded = self._load(con, self._lake)
            seconds = time.perf_counter() - started
        shutil.rmtree(folder)
        if loaded != self._events:
            raise LoadedWrongError(f"{loaded} events loaded of {self._events}")
        return self._events / seconds


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the warehouse as a load that found no segment leaves it, and the reference's table."""
    con.execute("begin")
    ledger.create(con)
    incremental.create_source(con, Path(), [], ZONE)
    calendar_tables.create_sources(con, CALENDAR)
    definitions.update(con, CALENDAR)
    con.execute(f"create table copied as select * from {FILES} limit 0")
    con.execute("commit")


def all_models(con: duckdb.DuckDBPyConnection, lake: Path) -> int:
    """Load as `warehouse.build.load` does between begin and commit."""
    return build._load(con, lake, CALENDAR, datetime.now(UTC)).events


def only_events(con: duckdb.DuckDBPyConnection, lake: Path) -> int:
    """Return the same, up to the first model."""
    waiting = ledger.pending_segments(ledger.loaded_spans(con), read_manifest(lake)[0])
    good, damaged = ledger.inspect(lake, waiting)
    incremental.create_source(con, lake, good, ZONE)
    incremental.exclude_loaded(con, ledger.loaded_within(ledger.loaded_spans(con), good))
    report = LoadReport()
    build._append(con, report, good)
    loaded = report.events
    ledger.record(con, good, damaged)
    return loaded


def bare(con: duckdb.DuckDBPyConnection, lake: Path) -> int:
    """Return the reference: nothing but the copy."""
    con.execute(
        "set variable files = $files",
        {"files": [str(lake / segment.path) for segment in read_manifest(lake)[0]]},
    )
    found = con.execute(
        "insert into copied select * from "
        "read_parquet(getvariable('files'), hive_partitioning = false)"
    ).fetchone()
    return int(found[0]) if found else 0


@contextmanager
def unflushed(con: duckdb.DuckDBPyConnection, _warehouse: Path) -> Iterator[None]:
    """Yield the reference's transaction, which leaves its files to the system."""
    con.execute("begin")
    yield
    con.execute("commit")


def measure(size: Size, work: Path) -> list[Figure]:
    """Return the figure for the events alone and for all models."""
    lake = work / "load-lake"
    events = _fill(lake, size.count(EVENTS, QUICK_EVENTS))
    kinds = {
        "load, events only": ("events", only_events, Goal(0.5, 0.7)),
        "load, all models": ("models", all_models, Goal(0.3, 0.4)),
    }
    figures = [
        Figure(
            name,
            "events",
            "INSERT … SELECT FROM read_parquet",
            alternate(
                size,
                Loading(lake, work / folder, events, load),
                Loading(lake, work / f"{folder}-bare", events, bare, unflushed),
            ),
            goal,
            [f"{events:,} events in {len(read_manifest(lake)[0])} segments, first load"],
        )
        for name, (folder, load, goal) in kinds.items()
    ]
    again = Loading(lake, work / "again", events, only_events)
    return [*figures, compare("load, events only", "duckdb", again, size, work)]


def _fill(path: Path, events: int) -> int:
    table = as_table(history(events))
    lake = Lake(path)
    sealed_at = datetime(2030, 1, 12, tzinfo=UTC)
    for start in range(0, table.num_rows, SEGMENT_ROWS):
        lake.seal(table.slice(start, SEGMENT_ROWS), sealed_at)
    return table.num_rows
