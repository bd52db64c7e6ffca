"""From the log to Parquet, against DuckDB writing the same rows from NDJSON, in the same order.

Ours reads SQLite, flushes each file to disk and takes its sha256; the reference flushes nothing.
"""

import itertools
import shutil
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.against_dlt import compare
from benchmarks.batch import INSERT, open_store
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.synthetic import as_json, history
from ingest.arrow_schema import SCHEMA
from ingest.lake.log_reader import LogReader, SqliteLog
from ingest.lake.sealer import Sealer
from ingest.lake.segments import Lake
from ingest.manifest import read_manifest
from ingest.settings import Settings

GOAL = Goal(0.4, 0.6)


class FromTheLog:
    """The measured side."""

    def __init__(self, log: LogReader, work: Path, rows: int) -> None:
        """Seal all of `log`, each time into a lake of its own."""
        self.bytes_per_event = 0.0
        self._log = log
        self._folders = (work / f"sealed-{number}" for number in itertools.count())
        self._rows = rows

    def __call__(self, _round: int) -> float:
        """Rows a second."""
        folder = next(self._folders)
        sealer = Sealer(self._log, Lake(folder), Settings().seal_rows, 0, time.monotonic)
        started = time.perf_counter()
        sealed = sealer.seal_all(datetime.now(UTC))
        seconds = time.perf_counter() - started
        if sum(segment.rows for segment in read_manifest(folder)[0]) != self._rows:
            raise RuntimeError("not every row was sealed")
        self.bytes_per_event = sum(segment.bytes for segment in sealed) / self._rows
        shutil.rmtree(folder)
        return self._rows / seconds


class FromNdjson:
    """The reference."""

    def __init__(self, source: Path, target: Path, rows: int) -> None:
        """Read `source`, write `target`."""
        self.bytes_per_event = 0.0
        self._con = duckdb.connect()
        columns = {field.name: _sql_type(field.type) for field in SCHEMA}
        self._copy = (
            f"copy (from read_json('{source}', format = 'newline_delimited', columns = {columns})) "
            f"to '{target}' (format parquet, compression zstd)"
        )
        self._target = target
        self._rows = rows

    def __call__(self, _round: int) -> float:
        """Rows a second."""
        started = time.perf_counter()
        self._con.execute(self._copy)
        seconds = time.perf_counter() - started
        self.bytes_per_event = self._target.stat().st_size / self._rows
        return self._rows / seconds


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    return {"string": "varchar", "int16": "smallint", "int64": "bigint", "bool": "boolean"}[
        str(kind)
    ]


def measure(size: Size, work: Path) -> list[Figure]:
    """Rows a second on both sides, with the size of what they wrote."""
    rows = history(size.count(200_000, 20_000))
    _fill(rows, work)
    with SqliteLog(work / "seal.sqlite") as log:
        ours = FromTheLog(log, work, len(rows))
        reference = FromNdjson(work / "seal.ndjson", work / "seal.parquet", len(rows))
        pairs = alternate(size, ours, reference)
        peer = compare("seal, log to Parquet", "parquet", ours, size, work)
    raw = (work / "seal.ndjson").stat().st_size / len(rows)
    sizes = (
        f"bytes per event: {ours.bytes_per_event:.1f} sealed, "
        f"{reference.bytes_per_event:.1f} by DuckDB, {raw:.0f} as NDJSON (invented texts)"
    )
    return [
        Figure(
            "seal, log to Parquet",
            "events",
            "DuckDB COPY from NDJSON, zstd",
            pairs,
            GOAL,
            [sizes],
        ),
        peer,
    ]


def _fill(rows: list[tuple[Any, ...]], work: Path) -> None:
    # Closed before ADBC opens the file: two copies of SQLite in one process cancel each
    # other's locks.
    with closing(open_store(work / "seal.sqlite")) as connection:
        connection.execute("begin")
        connection.executemany(INSERT, rows)
        connection.execute("commit")
    (work / "seal.ndjson").write_bytes(as_json(rows))
