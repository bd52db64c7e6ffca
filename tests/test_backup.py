"""Backup and restore: a backup has all events acknowledged before it, and a restored record continues."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from convolake import backup
from convolake.backup import CONTENTS, BackupError, back_up, restore
from convolake.cli import app
from convolake.verify import Verdict, verify
from dashboards.conversations.saved_filters import SavedFilter, load_filters, save_filter
from ingest.auth.api_keys import create_key, list_keys
from ingest.contract import manifest_path
from ingest.lake.compaction import GRACE, compact, remove_replaced
from ingest.lake.segments import Lake
from ingest.log.storage.engine import open_engine
from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings
from pipelines.dagster_home import run_once
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, make_conversation, make_event
from tests.warehouse_contents import contents

pytestmark = pytest.mark.long

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    """The data folder to restore into."""
    return Settings(data=tmp_path / "restored")


@pytest.fixture
def sealed(record: Record) -> Record:
    record.write(make_conversation(messages=6))
    record.seal(rows=3)
    record.write(make_conversation("not-sealed"))
    return record


def faults(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.ok and check.name != "warehouse"]


def test_the_saved_filters_are_in_a_backup(sealed: Record, folder: Path, empty: Settings) -> None:
    saved = SavedFilter("Low ratings", "rating=negative", "lead")
    save_filter(sealed.settings.data, saved)
    contents = back_up(sealed.settings, folder, NOW)
    assert "saved_filters.json" in contents.files
    restore(empty, folder)
    assert load_filters(empty.data) == [saved]


def test_changed_saved_filters_are_not_restored(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    save_filter(sealed.settings.data, SavedFilter("Low ratings", "rating=negative", "lead"))
    back_up(sealed.settings, folder, NOW)
    (folder / "saved_filters.json").write_text("[]")
    with pytest.raises(BackupError, match=r"saved_filters\.json"):
        restore(empty, folder)


# --- under load -------------------------------------------------------------------------


@pytest.fixture
def busy(sealed: Record) -> Iterator[tuple[Record, list[int]]]:
    """A record with a writer, and the number of events acknowledged so far."""
    acknowledged = [len(sealed.log("select 1 from events"))]
    stop, started = threading.Event(), threading.Event()

    def post() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            sealed.write(make_conversation(f"busy-{number}", messages=20), at_once=1)
            acknowledged[0] += 22  # with its creation and the start of its session
            started.set()

    poster = threading.Thread(target=post)
    poster.start()
    assert started.wait(60)
    yield sealed, acknowledged
    stop.set()
    poster.join(60)


def test_a_backup_under_load_holds_all_events_acknowledged_before_it_began(
    busy: tuple[Record, list[int]], folder: Path, empty: Settings
) -> None:
    record, acknowledged = busy
    for _ in range(3):
        record.seal(rows=10)
    before = acknowledged[0]
    made = back_up(record.settings, folder, NOW)
    record.seal(rows=10)
    assert made.events >= max(before, made.sealed_events) > 12
    restore(empty, folder)
    verdict = run_in_adbc_process(verify, empty)
    assert faults(verdict) == []
    assert verdict.events == made.events
    there, here = Record(empty, Clock()), f"select * from events where position <= {before}"
    assert there.log(here) == record.log(here)


def test_a_restored_record_continues_where_it_ended(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    sealed.load()
    made = back_up(sealed.settings, folder, NOW)
    sealed.write(make_conversation("after-the-backup"))
    restore(empty, folder)
    there = Record(empty, sealed.clock)
    there.write([make_event(event_id="next")])
    last = there.log("select * from events order by position desc limit 1")[0]
    assert (last["position"], last["sequence"]) == (made.events + 1, 9)
    assert run_once_sealed(there).query("select count(*) as n from events") == [
        {"n": made.events + 1}
    ]
    verdict = run_in_adbc_process(verify, empty)
    assert (verdict.ok, verdict.unsealed_events, verdict.unloaded_events) == (True, 0, 0)


def run_once_sealed(record: Record) -> Record:
    record.seal()
    assert run_once(record.settings).success
    return record


def test_the_lake_of_a_backup_is_never_ahead_of_its_log(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    """Between the copies the log grows and is sealed, and what is sealed is compacted."""
    real = backup._copy_store

    def meanwhile(store: Path, target: Path) -> int:
        sealed.clock.forward(days=1)
        sealed.write(make_conversation("meanwhile"))
        sealed.seal()
        assert list(compact(Lake(sealed.settings.lake_path), datetime(2030, 1, 3, tzinfo=UTC)))
        return real(store, target)

    with patch.object(backup, "_copy_store", meanwhile):
        made = back_up(sealed.settings, folder, NOW)
    assert (made.sealed_events, made.events) == (8, 16)
    restore(empty, folder)
    assert faults(run_in_adbc_process(verify, empty)) == []
    assert [each.rows for each in Record(empty, sealed.clock).seal()] == [4, 4]


def test_a_compacted_lake_is_backed_up_without_the_files_that_were_replaced(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    sealed.clock.forward(days=1)
    sealed.write(make_conversation("later"))
    sealed.seal()
    now = datetime(2030, 1, 3, tzinfo=UTC)
    assert list(compact(Lake(sealed.settings.lake_path), now))
    remove_replaced(sealed.settings.lake_path, now + GRACE)
    made = back_up(sealed.settings, folder, NOW)
    assert len(made.files) == 2 + len(read_manifest(sealed.settings.lake_path)[0]) == 4
    restore(empty, folder)
    assert faults(run_in_adbc_process(verify, empty)) == []


def test_api_keys_are_restored_with_the_record(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    engine = open_engine(sealed.settings.database_url)
    create_key(engine, "crm", 1)
    engine.dispose()
    back_up(sealed.settings, folder, NOW)
    restore(empty, folder)
    engine = open_engine(empty.database_url)
    assert [key.source for key in list_keys(engine)] == ["crm"]
    engine.dispose()


def test_a_log_without_segments_can_be_backed_up(
    record: Record, folder: Path, empty: Settings
) -> None:
    record.write(make_conversation())
    assert back_up(record.settings, folder, NOW).sealed_events == 0
    assert restore(empty, folder).events == 4
    assert len(Record(empty, record.clock).seal()) == 1


# --- rejected ----------------------------------------------------------------------------


def test_a_folder_that_is_not_empty_is_not_changed(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    back_up(sealed.settings, folder, NOW)
    with pytest.raises(BackupError, match="not empty"):
        back_up(sealed.settings, folder, NOW)
    with pytest.raises(BackupError, match="not empty"):
        restore(sealed.settings, folder)
    restore(empty, folder)
    with pytest.raises(BackupError, match="not empty"):
        restore(empty, folder)


@pytest.mark.parametrize("name", ["log.sqlite", "lake/manifest.jsonl", "segment"])
@pytest.mark.parametrize("how", ["a flipped bit", "missing"])
def test_a_damaged_backup_is_found_before_anything_is_restored(
    sealed: Record, folder: Path, empty: Settings, name: str, how: str
) -> None:
    made = back_up(sealed.settings, folder, NOW)
    path = folder / (next(iter(made.files)) if name == "segment" else name)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.unlink() if how == "missing" else path.write_bytes(content)
    with pytest.raises(BackupError, match=path.name):
        restore(empty, folder)
    assert not empty.data.exists()


@pytest.mark.parametrize(
    "wrong", ["{}", "no JSON", '{"files": {"../../x": ""}}', '{"files": {"/x": ""}}']
)
def test_a_file_list_with_foreign_paths_is_rejected(
    sealed: Record, folder: Path, empty: Settings, wrong: str
) -> None:
    back_up(sealed.settings, folder, NOW)
    path = folder / CONTENTS
    if "files" in wrong:
        whole = json.loads(path.read_text())
        wrong = json.dumps(whole | {"files": whole["files"] | json.loads(wrong)["files"]})
    path.write_text(wrong)
    with pytest.raises(BackupError, match=CONTENTS):
        restore(empty, folder)
    assert not empty.data.exists()


def test_an_interrupted_backup_cannot_be_restored(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    with patch.object(backup, "_sync_folders", side_effect=OSError), pytest.raises(OSError):  # noqa: PT011
        back_up(sealed.settings, folder, NOW)
    with pytest.raises(BackupError, match="not a whole backup"):
        restore(empty, folder)


def test_a_damaged_lake_fails_the_backup(sealed: Record, folder: Path) -> None:
    lake = sealed.settings.lake_path
    segment = lake / read_manifest(lake)[0][1].path
    content = bytearray(segment.read_bytes())
    content[100] ^= 1
    segment.write_bytes(content)
    with pytest.raises(BackupError, match=segment.name):
        back_up(sealed.settings, folder, NOW)
    manifest_path(lake).write_text(manifest_path(lake).read_text().replace('"rows":3', '"rows":4'))
    with pytest.raises(ManifestError):
        back_up(sealed.settings, folder.with_name("another"), NOW)


def test_a_folder_without_a_log_cannot_be_backed_up(settings: Settings, folder: Path) -> None:
    with pytest.raises(BackupError, match="no log"):
        back_up(settings, folder, NOW)
    with pytest.raises(BackupError, match="not SQLite"):
        back_up(settings.model_copy(update={"store_url": "postgresql://x"}), folder, NOW)


def test_the_store_of_a_backup_is_one_file_that_passes_the_integrity_check(
    sealed: Record, folder: Path
) -> None:
    back_up(sealed.settings, folder, NOW)
    assert sorted(path.name for path in folder.iterdir()) == [CONTENTS, "lake", "log.sqlite"]
    with closing(sqlite3.connect(folder / "log.sqlite")) as copy:
        assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]


# --- the commands, and a folder that is moved -------------------------------------------


def run(data: Path, *command: str) -> tuple[int, str]:
    found = CliRunner(env={"CONVOLAKE_DATA": str(data)}).invoke(app, command)
    return found.exit_code, found.output


def test_backup_and_restore_are_one_command_each(
    sealed: Record, folder: Path, empty: Settings
) -> None:
    code, output = run_in_adbc_process(run, sealed.settings.data, "backup", str(folder))
    assert (code, "12 events in 5 files" in output) == (0, True), output
    code, output = run_in_adbc_process(run, empty.data, "restore", str(folder))
    assert (code, "12 events are back" in output) == (0, True), output
    code, output = run_in_adbc_process(run, empty.data, "restore", str(folder))
    assert (code, "not empty" in output) == (1, True), output


def test_a_backup_says_that_the_key_of_secrets_is_not_in_it(sealed: Record, folder: Path) -> None:
    sealed.settings.secret_keys_path.write_text("key")
    code, output = run_in_adbc_process(run, sealed.settings.data, "backup", str(folder))
    assert (code, "not in it" in output, "secret.keys" in output.replace("\n", "")) == (
        0,
        True,
        True,
    )
    assert not [path for path in folder.rglob("*") if path.name == "secret.keys"]


def test_every_part_works_in_a_moved_data_folder(sealed: Record, tmp_path: Path) -> None:
    run_once_sealed(sealed)
    moved = sealed.settings.model_copy(update={"data": tmp_path / "moved"})
    sealed.settings.data.rename(moved.data)
    there = Record(moved, sealed.clock)
    before = contents(there)
    assert run_in_adbc_process(verify, moved).ok
    there.write(make_conversation("c9"))
    run_once_sealed(there)
    assert there.query("select max(position) as last from events") == [{"last": 16}]
    assert len(contents(there)["events"]) == len(before["events"]) + 4
    assert run_in_adbc_process(verify, moved).ok
    assert not sealed.settings.data.exists()
