"""Maintenance of the warehouse: fewer files, the same rows, and no effect on readers.

Many readers during many loads and maintenance runs are in `tests/faults/test_readers.py`.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.settings import Settings
from pipelines.dagster_home import prepare, run_once
from pipelines.definitions import load_job
from tests.factories import Clock, Ids, Record, make_conversation, make_event
from tests.warehouse_contents import contents, delete_warehouse
from warehouse.lake import WarehouseBusyError, connect, spill_path, write_lock
from warehouse.maintenance import MERGE_LOADS, live_files, maintain, merge, superseded

pytestmark = pytest.mark.long

# Snapshots have the machine's time; maintenance gets its time as an argument.
TODAY = datetime.now(UTC)
NEXT_WEEK = TODAY + timedelta(days=8)


def small_loads(record: Record, loads: int = 6) -> None:
    """Loads that add rows and change earlier ones."""
    for number in range(loads):
        record.publish(
            [
                *make_conversation(f"c{number}", messages=30),
                *(make_event(conversation_id=f"c{old}") for old in range(number)),
            ]
        )


@pytest.fixture(scope="module")
def loaded_often(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after many small loads; tests copy it and do not change it."""
    data = tmp_path_factory.mktemp("loaded") / "data"
    small_loads(Record(Settings(data=data), Clock()))
    return data


@pytest.fixture
def scattered(loaded_often: Path, settings: Settings) -> Record:
    shutil.copytree(loaded_often, settings.data)
    record = Record(settings, Clock())
    record.clock.forward(hours=1)
    record.new_id = Ids("later")
    return record


def files_on_disk(record: Record) -> int:
    return len(list((record.settings.warehouse_path / "files").rglob("*.parquet")))


def live_file_count(record: Record) -> int:
    with connect(record.settings.warehouse_path) as con:
        return live_files(con)


def snapshot_count(record: Record) -> int:
    return int(record.query("select count(*) as n from ducklake_snapshots('lake')")[0]["n"])


def test_one_load_writes_at_most_one_file_per_table(record: Record) -> None:
    """A file is flushed on its own: with one for each described column a first load took seconds more."""
    record.write([make_event(conversation_id=f"c{number}") for number in range(4)])
    record.seal(rows=2)
    record.load()
    assert live_file_count(record) <= len(contents(record)) + 2  # plus the two tables of the ledger


def test_a_merge_leaves_fewer_files_and_the_same_rows(scattered: Record) -> None:
    before = contents(scattered)
    report = merge(scattered.settings.warehouse_path, TODAY)
    assert report.files_after < report.files_before
    assert report.files_after == live_file_count(scattered)
    assert contents(scattered) == before


def test_a_merge_leaves_one_file_per_table_also_where_loads_deleted_rows(scattered: Record) -> None:
    """DuckLake merges no file with deleted rows, and each load deletes rows of the one before."""
    for _ in range(2):
        scattered.publish([make_event(conversation_id="c1")])
    assert [row for row in listed_files(scattered) if row["delete_file"]]
    report = merge(scattered.settings.warehouse_path, TODAY)
    assert report.steps["small files rewritten"] > 0
    assert report.files_after <= len(contents(scattered)) + 2
    assert not [row for row in listed_files(scattered) if row["delete_file"]]


def test_a_merge_keeps_the_last_state_of_each_day_and_all_of_the_last_minutes(
    scattered: Record,
) -> None:
    warehouse, before = scattered.settings.warehouse_path, contents(scattered)
    loads = snapshot_count(scattered)
    assert merge(warehouse, TODAY).steps["snapshots expired"] == 0
    assert snapshot_count(scattered) > loads
    assert merge(warehouse, TODAY + timedelta(hours=1)).steps["snapshots expired"] >= loads
    assert snapshot_count(scattered) <= 3  # the last of the day, or of two days, and the merge
    assert contents(scattered) == before
    statistics = "select count(*) as n from __ducklake_metadata_lake.ducklake_file_column_stats"
    columns = "select count(*) as n from __ducklake_metadata_lake.ducklake_column"
    assert scattered.query(statistics)[0]["n"] <= scattered.query(columns)[0]["n"]


def test_daily_maintenance_leaves_one_file_per_table_and_the_same_rows(scattered: Record) -> None:
    before, on_disk = contents(scattered), files_on_disk(scattered)
    maintain(scattered.settings.warehouse_path, NEXT_WEEK, snapshot_days=7)
    assert contents(scattered) == before
    assert live_file_count(scattered) <= len(before) + 2  # plus the two tables of the ledger
    assert files_on_disk(scattered) <= live_file_count(scattered) < on_disk
    maintain(scattered.settings.warehouse_path, NEXT_WEEK, snapshot_days=7)
    assert contents(scattered) == before


def test_loads_after_maintenance_give_the_tables_of_a_rebuild(scattered: Record) -> None:
    maintain(scattered.settings.warehouse_path, NEXT_WEEK, snapshot_days=7)
    scattered.publish([make_event(conversation_id="c2"), *make_conversation("new")])
    found = contents(scattered)
    delete_warehouse(scattered)
    scattered.load()
    assert contents(scattered) == found


def test_of_earlier_days_the_last_snapshot_is_kept_and_of_the_last_minutes_every_one() -> None:
    now = datetime(2026, 3, 3, 0, 5, tzinfo=UTC)
    minutes_ago = {1: 3000, 2: 1500, 3: 1446, 4: 1000, 5: 8, 6: 6, 7: 2}
    times = {number: now - timedelta(minutes=ago) for number, ago in minutes_ago.items()}
    # 1 is of 28 February; 2 and 3 are of 1 March, 4 to 5 of 2 March.
    assert superseded(times, now) == [2, 4]
    assert superseded({}, now) == []


def test_unused_files_stay_for_a_day(scattered: Record) -> None:
    on_disk = files_on_disk(scattered)
    maintain(scattered.settings.warehouse_path, TODAY, snapshot_days=7)
    assert files_on_disk(scattered) >= on_disk
    maintain(scattered.settings.warehouse_path, TODAY + timedelta(hours=23), snapshot_days=7)
    assert files_on_disk(scattered) >= on_disk
    maintain(scattered.settings.warehouse_path, TODAY + timedelta(days=3), snapshot_days=7)
    assert files_on_disk(scattered) < on_disk


def test_snapshots_are_kept_for_their_days(scattered: Record) -> None:
    maintain(scattered.settings.warehouse_path, TODAY, snapshot_days=7)
    before = snapshot_count(scattered)
    steps = maintain(scattered.settings.warehouse_path, NEXT_WEEK, snapshot_days=7).steps
    assert 0 < steps["snapshots expired"] <= before


def test_a_reader_that_holds_a_transaction_sees_the_same_rows_throughout(
    scattered: Record,
) -> None:
    query = "select count(*), count(distinct conversation_id), sum(length(text)) from messages"
    with connect(scattered.settings.warehouse_path) as reader:
        reader.execute("begin")
        before = reader.execute(query).fetchall()
        # Deletes rows from files that already have deleted rows, which once broke the catalog.
        scattered.publish([make_event(conversation_id="c1"), *make_conversation("meanwhile")])
        assert reader.execute(query).fetchall() == before
        maintain(scattered.settings.warehouse_path, TODAY, snapshot_days=7)
        assert reader.execute(query).fetchall() == before
        # Its snapshot is expired meanwhile; it keeps its own state of the catalog.
        expired = merge(scattered.settings.warehouse_path, TODAY + timedelta(hours=1))
        assert expired.steps["snapshots expired"] > 0
        assert reader.execute(query).fetchall() == before
        reader.execute("rollback")
        assert reader.execute(query).fetchall() != before


def test_files_of_a_killed_load_are_removed_also_in_a_moved_folder(
    scattered: Record, tmp_path: Path
) -> None:
    moved = scattered.settings.model_copy(update={"data": tmp_path / "moved"})
    before = contents(scattered)
    scattered.settings.data.rename(moved.data)
    there = Record(moved, scattered.clock)
    orphan = moved.warehouse_path / "files/main/messages/ducklake-left.parquet"
    orphan.write_bytes(b"half a file")
    report = maintain(moved.warehouse_path, TODAY + timedelta(days=2), snapshot_days=7)
    assert report.steps["orphans removed"] == 1
    assert not orphan.exists()
    assert contents(there) == before


def test_what_does_not_fit_into_memory_stays_in_the_warehouse_and_is_removed_a_day_later(
    scattered: Record,
) -> None:
    warehouse = scattered.settings.warehouse_path
    with connect(warehouse) as con:
        con.execute("set memory_limit = '60MB'")
        con.execute("set threads = 1")
        con.execute(
            "create temp table wide as select range, repeat('x', 400) || range from range(400000)"
        )
        assert any(spill_path(warehouse).iterdir())
    left = (
        spill_path(warehouse) / "duckdb_temp_storage_DEFAULT-0.tmp"
    )  # as a killed process leaves it
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"text of customers")
    maintain(warehouse, TODAY, snapshot_days=7)
    assert left.exists()
    assert maintain(warehouse, TODAY + timedelta(days=2), 7).steps["spilled files removed"] == 1
    assert not left.exists()


def test_missing_files_do_not_stop_the_maintenance(scattered: Record) -> None:
    """As after a crash between the removal of files and its record in the catalog."""
    warehouse = scattered.settings.warehouse_path
    maintain(warehouse, TODAY, snapshot_days=7)
    before, live_now = contents(scattered), live_paths(scattered)
    for path in (warehouse / "files").rglob("*.parquet"):
        if path.resolve() not in live_now:
            path.unlink()
    maintain(warehouse, NEXT_WEEK, snapshot_days=7)
    assert contents(scattered) == before


def listed_files(record: Record) -> list[dict[str, str | None]]:
    tables = [row["table_name"] for row in record.query("from ducklake_table_info('lake')")]
    return [
        row
        for name in tables
        for row in record.query(
            f"select data_file, delete_file from ducklake_list_files('lake', '{name}')"
        )
    ]


def live_paths(record: Record) -> set[Path]:
    paths = [path for row in listed_files(record) for path in row.values()]
    return {Path(path).resolve() for path in paths if path}


def test_maintenance_waits_for_the_writer(
    scattered: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.maintenance.write_lock", lambda path: write_lock(path, 0.1))
    warehouse = scattered.settings.warehouse_path
    with write_lock(warehouse), pytest.raises(WarehouseBusyError):
        merge(warehouse, TODAY)
    assert merge(warehouse, TODAY).steps


def test_a_failed_step_changes_nothing(scattered: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the flush: files that could not be flushed are not added to the catalog."""
    before, files = contents(scattered), live_file_count(scattered)
    monkeypatch.setattr("warehouse.lake._flush", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        merge(scattered.settings.warehouse_path, TODAY)
    monkeypatch.undo()
    assert (contents(scattered), live_file_count(scattered)) == (before, files)


def test_maintenance_without_a_warehouse_does_nothing(settings: Settings) -> None:
    assert maintain(settings.warehouse_path, TODAY, snapshot_days=7).files_after == 0
    assert not settings.warehouse_path.exists()


# --- Dagster and the command ------------------------------------------------------------


def test_the_jobs_run_daily_and_after_many_loads(
    scattered: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    defs = load_job(scattered.settings)
    dg.Definitions.validate_loadable(defs)
    schedule = defs.resolve_schedule_def("daily_maintenance")
    assert (schedule.job_name, schedule.default_status.name) == ("maintain", "RUNNING")
    monkeypatch.setattr("pipelines.maintenance.MERGE_LOADS", 2)
    assert run_once(scattered.settings).success
    assert isinstance(tick(scattered.settings), dg.SkipReason)
    assert run_once(scattered.settings).success
    assert isinstance(tick(scattered.settings), dg.RunRequest)
    assert run_once(scattered.settings, "merge").success
    assert isinstance(tick(scattered.settings), dg.SkipReason)
    assert MERGE_LOADS == 20


def tick(settings: Settings) -> object:
    sensor = load_job(settings).resolve_sensor_def("many_loads")
    monkey = pytest.MonkeyPatch()
    monkey.setenv("DAGSTER_HOME", str(prepare(settings)))
    with monkey.context(), dg.DagsterInstance.get() as instance:
        return sensor(dg.build_sensor_context(instance=instance))


def test_the_maintain_command_merges_files_and_prints_a_report(scattered: Record) -> None:
    runner = CliRunner(env={"CONVOLAKE_DATA": str(scattered.settings.data)})
    done = runner.invoke(app, ["maintain"])
    assert done.exit_code == 0, done.output
    assert "live files before" in done.output
    assert live_file_count(scattered) < 20
