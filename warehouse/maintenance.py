"""Maintenance of the warehouse: merge small files, and remove old ones that no reader can hold.

Every load adds small files, and one for the rows it deletes; a query opens them all. Contents never
change here. Each step is its own transaction under the writer's lock, so a load waits for one step at
most, and readers never. Safe to repeat, and to kill anywhere.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from warehouse.lake import catalog_path, connect, transaction, write_lock

DELETED_SHARE = 0.1
"""Share of deleted rows from which a file is rewritten without them."""

FILE_GRACE = timedelta(days=1)
"""Time that files stay which no snapshot needs: a query may still read them."""

MERGE_LOADS = 20
"""Loads after which files are merged: without merging a dashboard took twice as long after 15 loads."""


@dataclass
class Report:
    """The results by step: files made, snapshots expired, files removed."""

    steps: dict[str, int] = field(default_factory=dict)
    files_before: int = 0
    files_after: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return one line for a person."""
        done = ", ".join(f"{name} {count:,}" for name, count in self.steps.items())
        return (
            f"{self.files_before:,} live files before, {self.files_after:,} now "
            f"({done}) in {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class _Step:
    name: str
    statement: str
    parameters: list[Any]
    count: Callable[[list[tuple[Any, ...]]], int] = len


def _last(rows: list[tuple[Any, ...]]) -> int:
    """Sum of the last column: the files, or rows, that a step made."""
    return sum(row[-1] for row in rows)


_MERGE = _Step("files merged into", "call ducklake_merge_adjacent_files('lake')", [], _last)


def merge(warehouse: Path) -> Report:
    """Merge small files. Raises WarehouseBusyError."""
    return _run(warehouse, [_MERGE])


def maintain(warehouse: Path, now: datetime, snapshot_days: int) -> Report:
    """Run the daily steps: rewrite, merge, expire old snapshots, remove unneeded files.

    Snapshots stay for `snapshot_days`; a reader in one longer transaction may find its files missing.
    Raises WarehouseBusyError.
    """
    rewrite = "call ducklake_rewrite_data_files('lake', delete_threshold => ?)"
    expire = "call ducklake_expire_snapshots('lake', older_than => ?)"
    clean = "call ducklake_cleanup_old_files('lake', older_than => ?)"
    orphans = "call ducklake_delete_orphaned_files('lake', older_than => ?)"
    steps = [
        # Rows that an earlier version put into the catalog itself.
        _Step("rows flushed", "call ducklake_flush_inlined_data('lake')", [], _last),
        _Step("files rewritten into", rewrite, [DELETED_SHARE], _last),
        _MERGE,
        _Step("snapshots expired", expire, [now - timedelta(days=snapshot_days)]),
        _Step("old files removed", clean, [now - FILE_GRACE]),
        # What a load that was killed has left.
        _Step("orphans removed", orphans, [now - FILE_GRACE]),
    ]
    return _run(warehouse, steps)


def _run(warehouse: Path, steps: list[_Step]) -> Report:
    report = Report()
    if not catalog_path(warehouse).exists():
        return report
    started = time.perf_counter()
    with connect(warehouse, read_only=False) as con:
        report.files_before = live_files(con)
        for step in steps:
            with write_lock(warehouse), transaction(con, warehouse):
                found = con.execute(step.statement, step.parameters).fetchall()
            report.steps[step.name] = step.count(found)
        report.files_after = live_files(con)
    report.seconds = time.perf_counter() - started
    return report


def live_files(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many files a query on all tables opens: of rows, and of deleted rows."""
    found = con.execute(
        "select coalesce(sum(file_count + delete_file_count), 0) from ducklake_table_info('lake')"
    ).fetchone()
    return int(found[0]) if found else 0
