"""Readers during loads and maintenance: no error, no wait for a load, and one snapshot at a time."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest

from tests.factories import Record, make_conversation
from tests.faults.conftest import Found
from tests.faults.loaders import (
    Seen,
    answer,
    dismiss,
    processes,
    read_file_until_stopped,
    read_until_stopped,
)
from warehouse import build
from warehouse.maintenance import FILE_GRACE, maintain

pytestmark = pytest.mark.timeout(1800)


def tidy(record: Record) -> None:
    """All upkeep, as if a day had passed but for a minute: a reader may be that slow."""
    tomorrow = datetime.now(UTC) + FILE_GRACE - timedelta(minutes=1)
    maintain(record.settings.warehouse_path, tomorrow, snapshot_days=1)


def load_for(record: Record, seconds: float) -> tuple[int, int]:
    """Load for `seconds`, at least six times, with maintenance after every third; return both counts."""
    start = time.monotonic()
    loads = maintained = 0
    while time.monotonic() - start < seconds or loads < 6:
        loads += 1
        record.publish(make_conversation(f"r{loads}", messages=20))
        if loads % 3 == 0:
            tidy(record)
            maintained += 1
    return loads, maintained


@pytest.mark.fault("readers")
def test_readers_see_whole_snapshots_and_no_errors_during_loads_and_maintenance(
    record: Record, whole: bool, found: Found
) -> None:
    record.publish(make_conversation())
    warehouse = record.settings.warehouse_path
    with (
        processes(2, read_until_stopped, warehouse, keep=True) as keeping,
        processes(1, read_until_stopped, warehouse, keep=False) as anew,
    ):
        lines = [*keeping, *anew]
        assert {answer(line) for line in lines} == {"reading"}
        loads, maintained = load_for(record, 600 if whole else 3)
        seen: list[Seen] = dismiss(lines)
    reads, mixed, errors = (
        sum(getattr(each, name) for each in seen) for name in ("reads", "mixed", "errors")
    )
    note = f"{reads:,} reads by 3 readers during {loads} loads and {maintained} maintenances: {errors} errors, {mixed} mixed snapshots"
    found(cycles=loads, note=note)
    assert (errors, mixed) == (0, 0), [each.first_error for each in seen]
    assert min(each.reads for each in seen) > 0
    assert maintained > 0
    assert (errors, mixed) == (0, 0), [each.first_error for each in seen]


def one_commit_for_each_table(record: Record, seconds: float) -> None:
    insert = build._insert

    def and_commit(con: duckdb.DuckDBPyConnection, *args: Any) -> int:
        rows = insert(con, *args)
        con.execute("commit")
        con.execute("begin")
        return rows

    with patch.object(build, "_insert", and_commit):
        load_for(record, seconds)


@pytest.mark.control("readers")
def test_control_a_load_that_commits_each_table_is_seen_half_done(
    record: Record, found: Found
) -> None:
    record.publish(make_conversation())
    with processes(2, read_until_stopped, record.settings.warehouse_path, keep=True) as lines:
        assert {answer(line) for line in lines} == {"reading"}
        one_commit_for_each_table(record, 2)
        seen = dismiss(lines)
    mixed, reads = sum(each.mixed for each in seen), sum(each.reads for each in seen)
    found(loss=f"a commit for each table: {mixed} of {reads} snapshots mixed")
    assert mixed > 0


@pytest.mark.control("readers")
def test_control_a_plain_database_file_locks_readers_out(tmp_path: Path, found: Found) -> None:
    file = tmp_path / "plain.duckdb"
    duckdb.connect(file).execute("create table events (number bigint)").close()
    end = time.monotonic() + 2
    with processes(2, read_file_until_stopped, file) as lines:
        assert {answer(line) for line in lines} == {"reading"}
        while time.monotonic() < end:
            insert_if_unlocked(file)
        seen = dismiss(lines)
    errors, reads = sum(each.errors for each in seen), sum(each.reads for each in seen)
    found(loss=f"a plain .duckdb file: {errors} of {errors + reads} reads failed")
    assert errors > 0


def insert_if_unlocked(file: Path) -> None:
    try:
        with duckdb.connect(file) as con:
            con.execute("insert into events select range from range(50000)")
    except duckdb.IOException:
        return
