"""Maintenance of the warehouse: merge small files, and remove old ones that no reader can hold.

Every load adds small files, and one for the rows it deletes; a query opens them all, and plans with the
statistics of every file that a kept snapshot names. Contents never change here. Each step is its own
transaction under the writer's lock, so a load waits for one step at most, and readers never. Safe to
repeat, and to kill anywhere.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from warehouse.lake import catalog_path, connect, spill_path, transaction, write_lock

DELETED_SHARE = 0.1
"""Share of deleted rows from which a file is rewritten without them."""

FILE_GRACE = timedelta(days=1)
"""Time that files stay which no snapshot needs: a query may still read them."""

CLEANUP_AGE = FILE_GRACE + timedelta(days=1)
"""What DuckLake's clean-up is told: it compares texts, so it removes all files of the day that this falls on."""

SMALL_BYTES = 4 * 2**20
"""Size below which a file with deleted rows is written again by a merge: DuckLake merges no such file."""

KEEP_ALL = timedelta(minutes=10)
"""Time for which every snapshot stays; of earlier days the last one stays. Planning a query takes about 1 ms
for each 1,000 column statistics in the catalog, and each load adds about 200. An open reader keeps its own
snapshot of the catalog, so it does not notice (decision 0009)."""

REPORT = "maintenance.json"
"""File in the warehouse's folder with the result of the last `maintain`."""

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


Work = Callable[[duckdb.DuckDBPyConnection], int]
"""A step: it returns how many files, rows or snapshots it changed."""


def _call(statement: str, *parameters: Any) -> Work:
    """Return a step that counts the rows of a statement's result."""
    return lambda con: len(con.execute(statement, list(parameters)).fetchall())


def _call_sum(statement: str, *parameters: Any) -> Work:
    """Return a step that sums the last column of a statement's result: the files, or rows, it made."""
    return lambda con: sum(row[-1] for row in con.execute(statement, list(parameters)).fetchall())


def merge(warehouse: Path, now: datetime) -> Report:
    """Merge small files, and expire the snapshots between the last of each day. Raises WarehouseBusyError."""
    steps: dict[str, Work] = {
        "small files rewritten": _rewrite_small,
        "files merged into": _call_sum(
            "call ducklake_merge_adjacent_files('lake', max_file_size => ?)", 2 * SMALL_BYTES
        ),
        "snapshots expired": lambda con: _expire_between(con, now),
    }
    return _run(warehouse, steps)


def _rewrite_small(con: duckdb.DuckDBPyConnection) -> int:
    return sum(_rewrite_small_of(con, table) for table in _tables(con))


def _tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        name
        for (name,) in con.execute("select table_name from ducklake_table_info('lake')").fetchall()
    ]


def _rewrite_small_of(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Write the rows of a table's small files with deletes into one new file; return how many there were."""
    found = con.execute(
        "select data_file from ducklake_list_files('lake', ?) "
        "where delete_file is not null and data_file_size_bytes < ?",
        [table, SMALL_BYTES],
    ).fetchall()
    if not found:
        return 0
    files = [path for (path,) in found]
    name = exp.to_identifier(table, quoted=True).sql("duckdb")
    con.execute(
        f"create or replace temp table live_rows as "  # noqa: S608 (a quoted name)
        f"select * from {name} where filename in (select unnest(?)) order by all",
        [files],
    )
    con.execute(f"delete from {name} where filename in (select unnest(?))", [files])  # noqa: S608
    con.execute(f"insert into {name} select * from live_rows")  # noqa: S608
    con.execute("drop table live_rows")
    return len(files)


def _expire_between(con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    found = con.execute(
        "select snapshot_id, snapshot_time from ducklake_snapshots('lake')"
    ).fetchall()
    old = superseded(dict(found), now)
    if old:
        con.execute("call ducklake_expire_snapshots('lake', versions => ?)", [old])
    return len(old)


def superseded(times: dict[int, datetime], now: datetime) -> list[int]:
    """Return the snapshots older than KEEP_ALL, by their times, except the last of each day (UTC)."""
    last_of_day = {times[number].astimezone(UTC).date(): number for number in sorted(times)}
    kept = set(last_of_day.values())
    return [
        number for number in sorted(times) if times[number] < now - KEEP_ALL and number not in kept
    ]


def maintain(warehouse: Path, now: datetime, snapshot_days: int) -> Report:
    """Run the daily steps: rewrite, merge, expire old snapshots, remove unneeded files.

    The last snapshot of each day stays for `snapshot_days`, the files of the others for FILE_GRACE: a reader in a
    transaction that is longer than that may find its files missing.
    Raises WarehouseBusyError.
    """
    steps: dict[str, Work] = {
        # Rows that an earlier version put into the catalog itself.
        "rows flushed": _call_sum("call ducklake_flush_inlined_data('lake')"),
        "files rewritten into": _call_sum(
            "call ducklake_rewrite_data_files('lake', delete_threshold => ?)", DELETED_SHARE
        ),
        "small files rewritten": _rewrite_small,
        "files merged into": _call_sum("call ducklake_merge_adjacent_files('lake')"),
        "snapshots expired": _call(
            "call ducklake_expire_snapshots('lake', older_than => ?)",
            now - timedelta(days=snapshot_days),
        ),
        "snapshots between days expired": lambda con: _expire_between(con, now),
        "old files removed": _call(
            "call ducklake_cleanup_old_files('lake', older_than => ?)", now - CLEANUP_AGE
        ),
        # What a load that was killed has left.
        "orphans removed": _call(
            "call ducklake_delete_orphaned_files('lake', older_than => ?)", now - FILE_GRACE
        ),
    }
    report = _run(warehouse, steps)
    report.steps["spilled files removed"] = _remove_spilled(warehouse, now - FILE_GRACE)
    _save(report, warehouse / REPORT, now)
    return report


def _remove_spilled(warehouse: Path, older_than: datetime) -> int:
    """Remove what killed processes have left of data that did not fit into memory."""
    limit = older_than.timestamp()
    left = [path for path in spill_path(warehouse).glob("*") if path.stat().st_mtime < limit]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _save(report: Report, path: Path, finished_at: datetime) -> None:
    """Write the report for the dashboard, whole or not at all."""
    if path.parent.exists():
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(
            json.dumps({"finished_at": finished_at.isoformat(), **asdict(report)})
        )
        unfinished.replace(path)


def _run(warehouse: Path, steps: dict[str, Work]) -> Report:
    report = Report()
    if not catalog_path(warehouse).exists():
        return report
    started = time.perf_counter()
    with connect(warehouse, read_only=False) as con:
        report.files_before = live_files(con)
        for name, work in steps.items():
            with write_lock(warehouse), transaction(con, warehouse):
                report.steps[name] = work(con)
        report.files_after = live_files(con)
    report.seconds = time.perf_counter() - started
    return report


def live_files(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many files a query on all tables opens: of rows, and of deleted rows."""
    query = "select count(data_file) + count(delete_file) from ducklake_list_files('lake', ?)"
    found = (con.execute(query, [table]).fetchone() or (0,) for table in _tables(con))
    return sum(int(count) for (count,) in found)
