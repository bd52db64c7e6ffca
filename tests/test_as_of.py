"""An earlier report again: from a state that the warehouse keeps, or from the log up to a moment."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.manifest import read_manifest
from ingest.settings import Settings
from tests.factories import Record, make_conversation, make_event
from tests.warehouse_contents import contents
from warehouse.build import load
from warehouse.lake import connect

pytestmark = pytest.mark.long


def moment(record: Record) -> datetime:
    return datetime.fromtimestamp(record.clock.now / 1_000_000, UTC)


def build_until(record: Record, folder: Path, until: datetime) -> Record:
    """A second warehouse with the events until then, in place of the first."""
    load(record.settings.lake_path, folder, "UTC", until=until)
    return Record(_Elsewhere(data=record.settings.data, folder=folder), record.clock)


class _Elsewhere(Settings):
    folder: Path

    @property
    def warehouse_path(self) -> Path:
        return self.folder


def test_the_log_up_to_a_moment_gives_the_tables_of_that_moment(
    record: Record, tmp_path: Path
) -> None:
    record.publish(make_conversation("c1", messages=5))
    record.clock.forward(hours=1)
    record.write(make_conversation("c2", messages=2))  # in one segment with later events
    before = moment(record)
    record.clock.forward(hours=1)
    record.write([make_event(conversation_id="c2", event_id="later"), *make_conversation("c3")])
    assert len(record.seal()) == 1
    record.load()
    found = contents(build_until(record, tmp_path / "then", before))
    assert [row["conversation_id"] for row in found["conversations"]] == ["c1", "c2"]
    expected = [row for row in contents(record)["events"] if row["committed_at"] <= before.replace(tzinfo=None)]  # fmt: skip
    assert found["events"] == expected
    assert {row["event_id"] for row in contents(record)["events"]} > {row["event_id"] for row in expected}  # fmt: skip


def test_a_moment_before_the_first_event_gives_empty_tables(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation())
    before = moment(record) - timedelta(days=1)
    found = contents(build_until(record, tmp_path / "then", before))
    assert (found["events"], found["conversations"]) == ([], [])


def run(record: Record, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, env={"CONVOLAKE_DATA": str(record.settings.data)})
    assert result.exit_code == code, result.output
    return result.output


def test_a_second_warehouse_is_built_and_read_by_the_commands(
    record: Record, tmp_path: Path
) -> None:
    record.publish(make_conversation("c1", messages=3))
    folder = tmp_path / "then"
    assert "5 events" in run(record, "rebuild", str(folder))
    counted = "select count(*) as n from events"
    assert '"n":5' in run(record, "sql", counted, "--warehouse", str(folder), "--format", "json")
    assert "containment" in run(record, "metrics", "--warehouse", str(folder))
    assert "has files in it; name a new folder" in run(record, "rebuild", str(folder), code=1)


def test_a_state_that_is_kept_is_read_and_one_that_is_not_says_what_to_do(record: Record) -> None:
    record.publish(make_conversation("c1"))
    with connect(record.settings.warehouse_path) as con:
        ((first,),) = con.execute("select max(snapshot_time) from lake.snapshots()").fetchall()
    record.publish(make_conversation("c2"))
    with connect(record.settings.warehouse_path, at=first + timedelta(milliseconds=1)) as con:
        found = con.execute("select conversation_id from conversations").fetchall()
        assert found == [("c1",)]
        with pytest.raises(duckdb.Error):
            con.execute("delete from conversations")
    answer = run(record, "metrics", "--at", "2001-01-01", code=1)
    assert "has no state of 2001-01-01 00:00 UTC; `convolake rebuild FOLDER --until TIME`" in answer


def test_a_report_made_again_is_mature_as_it_was_then(record: Record, tmp_path: Path) -> None:
    """A resolution of yesterday says nothing about reopening yet, also when the report is made a year later."""
    resolved = make_event("conversation.resolved", payload={"resolved_by": "bot"})
    record.publish([*make_conversation("c1", messages=2), resolved])
    record.clock.forward(days=1)
    record.publish(make_conversation("c2", messages=1))
    then = moment(record)
    folder = tmp_path / "then"
    load(record.settings.lake_path, folder, "UTC", until=then)
    day = f"{then - timedelta(days=1):%Y-%m-%d}"
    of_day = ["metrics", "reopen_rate", "--from", day, "--until", day, "--json"]
    (value,) = json.loads(run(record, *of_day, "--warehouse", str(folder)))["metrics"]
    assert (value["value"], value["count"]) == (None, 0)
    later = f"{then + timedelta(days=365):%Y-%m-%d}"
    again = run(record, *of_day, "--warehouse", str(folder), "--as-of", later)
    (value,) = json.loads(again)["metrics"]
    assert (value["value"], value["count"]) == (0.0, 1)


def test_a_clock_that_was_set_back_does_not_bring_later_commits_in(
    record: Record, tmp_path: Path
) -> None:
    record.write(make_conversation("c1", messages=1))
    before = moment(record)
    record.clock.forward(minutes=10)
    record.write(make_conversation("c2", messages=1))
    record.clock.forward(minutes=-20)
    record.write(make_conversation("c3", messages=1))
    record.seal(rows=2)
    found = contents(build_until(record, tmp_path / "then", before))
    assert [row["conversation_id"] for row in found["conversations"]] == ["c1"]


def test_a_damaged_segment_is_named_by_a_rebuild(record: Record, tmp_path: Path) -> None:
    record.publish(make_conversation("c1", messages=3))
    (segment, *_) = read_manifest(record.settings.lake_path)[0]
    (record.settings.lake_path / segment.path).write_bytes(b"no parquet")
    until = f"{moment(record) + timedelta(days=1):%Y-%m-%d}"
    answer = run(record, "rebuild", str(tmp_path / "then"), "--until", until, code=1)
    assert "1 segments are damaged and left out" in answer
