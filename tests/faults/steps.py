"""One seal and one load in a process of their own that may be killed at any system call.

The process is forked with everything imported, and waits until strace is attached, so that its
system calls are those of the step and no others. One processor: one thread, the same each time.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.contract import segment_path
from ingest.lake.log_reader import open_log
from ingest.lake.sealer import Sealer
from ingest.lake.segments import Lake
from ingest.manifest import Segment
from ingest.settings import Settings
from tests.faults.tracing import traced
from warehouse import build, ledger

CALLS = "write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat,link,linkat,fallocate"
"""What changes a disk."""
NOW = datetime(2030, 1, 2, tzinfo=UTC)
ROWS = 12


def seal(settings: Settings) -> None:
    """One seal of what the log holds."""
    with open_log(settings) as log:
        Sealer(log, Lake(settings.lake_path), ROWS, 0, time.monotonic).seal_all(NOW)


def load(settings: Settings) -> None:
    """One load of what is sealed."""
    build.load(settings.lake_path, settings.warehouse_path, settings.reporting_zone)


class _LineFirst(Lake):
    """A lake without the discipline: the line of the manifest before its file."""

    def _seal_one(self, table: pa.Table, received_on: date, sealed_at: datetime) -> Segment:
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        body = buffer.getvalue()
        first, last = table["position"][0].as_py(), table["position"][-1].as_py()
        path = segment_path(received_on, 0, first, last)
        digest = hashlib.sha256(body).hexdigest()
        at = sealed_at.isoformat()
        segment = Segment(path, 0, first, last, table.num_rows, len(body), digest, at)
        self._append(segment)
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_bytes(body)
        return segment


def seal_line_first(settings: Settings) -> None:
    """One seal by a lake without the discipline."""
    with open_log(settings) as log:
        Sealer(log, _LineFirst(settings.lake_path), ROWS, 0, time.monotonic).seal_all(NOW)


def load_in_two(settings: Settings) -> None:
    """A load that commits its rows first and then, apart, that it loaded them."""
    record = ledger.record

    def apart(con: duckdb.DuckDBPyConnection, *args: Any) -> None:
        con.execute("commit")
        con.execute("begin")
        record(con, *args)

    with patch.object(ledger, "record", apart):
        load(settings)


Step = Callable[[Settings], None]


def begin(step: Step, settings: Settings) -> ForkServerProcess:
    """A process that does `step` now."""
    process = _context().Process(target=step, args=(settings,))
    process.start()
    return process


def _context() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def run_traced(step: Step, settings: Settings, trace: Path, *options: str) -> int:
    """Exit code of a process that does `step` under strace; -9 if it was killed."""
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_wait_and_do, args=(theirs, step, settings))
    process.start()
    try:
        with traced(process.pid or 0, trace, "-e", f"trace={CALLS}", *options):
            ours.send("go")
            process.join(120)
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()
    return process.exitcode or 0


def _wait_and_do(go: Connection, step: Step, settings: Settings) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    go.recv()
    step(settings)
