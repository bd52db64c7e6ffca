"""Killed loads, concurrent loads, and a moved folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.factories import Record, make_conversation, make_event
from tests.warehouse_contents import contents, delete_warehouse
from warehouse.lake import WarehouseBusyError, WarehouseMissingError, connect, write_lock
from warehouse.model import models

LOADER = """
import sys, time
from pathlib import Path
from warehouse import build, incremental
from warehouse.build import load
step = int(sys.argv[3])
real = build._insert
done = [0]
def insert(con, model, query):
    rows = real(con, model, query)
    done[0] += 1
    if done[0] == step:
        print("now", flush=True)
        time.sleep(60)
    return rows
build._insert = insert
load(Path(sys.argv[1]), Path(sys.argv[2]), "UTC")
"""


@pytest.mark.long
@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_killed_load_leaves_no_trace_and_the_next_one_completes(
    record: Record, step: int
) -> None:
    record.publish(make_conversation())
    before = contents(record)
    record.write([*make_conversation("c2", messages=5), make_event(event_id="more")])
    record.seal()
    paths = [str(record.settings.lake_path), str(record.settings.warehouse_path)]
    loader = subprocess.Popen(
        [sys.executable, "-c", LOADER, *paths, str(step)], stdout=subprocess.PIPE
    )
    assert loader.stdout is not None
    assert loader.stdout.readline() == b"now\n"
    assert contents(record) == before  # readers see no part of the load
    os.kill(loader.pid, signal.SIGKILL)
    loader.wait()
    loader.stdout.close()
    assert contents(record) == before
    record.load()
    finished = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == finished


def test_a_second_writer_waits_and_then_names_the_lock_holder(record: Record) -> None:
    record.publish(make_conversation())
    warehouse = record.settings.warehouse_path
    with (
        write_lock(warehouse),
        pytest.raises(WarehouseBusyError, match="try again"),
        write_lock(warehouse, 0.1),
    ):
        pass


def test_two_concurrent_loaders_load_every_event_once(record: Record) -> None:
    record.write([event for number in range(20) for event in make_conversation(f"c{number}")])
    record.seal(rows=10)
    load = "import sys; from pathlib import Path; from warehouse.build import load; load(Path(sys.argv[1]), Path(sys.argv[2]), 'UTC')"
    paths = [str(record.settings.lake_path), str(record.settings.warehouse_path)]
    loaders = [subprocess.Popen([sys.executable, "-c", load, *paths]) for _ in range(2)]
    assert [loader.wait(60) for loader in loaders] == [0, 0]
    assert record.query("select count(*) as n, count(distinct position) as m from events") == [
        {"n": 80, "m": 80}
    ]


READER = """
import sys, time
from pathlib import Path
from warehouse.lake import connect
con = connect(Path(sys.argv[1]))
print("ready", flush=True)
mixed = 0
reads = 0
end = time.monotonic() + 60
while time.monotonic() < end and not Path(sys.argv[2]).exists():
    row = con.execute('''select
        (select count(*) from events where event_type = 'message.created'), (select count(*) from messages),
        (select coalesce(sum(messages), 0) from daily_activity)''').fetchone()
    reads += 1
    mixed += len(set(row)) != 1
print(reads, mixed, flush=True)
"""


@pytest.mark.long
def test_readers_see_one_snapshot_and_never_wait_for_a_load(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation())
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", READER, str(record.settings.warehouse_path), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(8):
        record.publish(make_conversation(f"more-{number}", messages=20))
    stop.touch()
    for reader in readers:
        reads, mixed = reader.communicate(timeout=60)[0].split()
        assert reader.returncode == 0
        assert int(reads) > 0
        assert int(mixed) == 0


def test_a_data_folder_that_was_moved_still_works(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation(messages=30))
    moved = record.settings.model_copy(update={"data": tmp_path / "moved"})
    record.settings.data.rename(moved.data)
    there = Record(moved, record.clock)
    assert there.query("select count(*) as n from events") == [{"n": 32}]
    there.publish(make_conversation("c2"))
    assert there.query("select count(*) as n from events") == [{"n": 36}]


def test_opening_a_missing_warehouse_names_the_load_command(record: Record) -> None:
    with pytest.raises(WarehouseMissingError, match="convolake load"):
        connect(record.settings.warehouse_path)


def test_an_empty_lake_makes_empty_tables(record: Record) -> None:
    assert record.load().events == 0
    assert {name: len(rows) for name, rows in contents(record).items()} == {
        model.name: 0 for model in models()
    }
    time_zone = record.query("select current_setting('TimeZone') as zone")
    assert time_zone == [{"zone": "UTC"}]


def test_a_missing_table_is_not_resolved_to_a_python_variable(record: Record) -> None:
    record.publish(make_conversation())
    massages = [1]  # a misspelt table name
    with pytest.raises(duckdb.CatalogException, match="massages"):
        record.query(f"from massages -- {len(massages)}")
    with connect(record.settings.warehouse_path) as con:
        found = con.execute("select current_setting('python_enable_replacements')").fetchall()
    assert found == [(False,)]
