"""Damaged segments, and loads that must change nothing."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.factories import Record, make_conversation
from tests.warehouse_contents import contents, delete_warehouse
from warehouse import incremental
from warehouse.checks import CheckError


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)


@pytest.mark.long
def test_a_segment_with_a_flipped_bit_is_quarantined_and_the_rest_loaded(record: Record) -> None:
    record.write(
        [event for number in range(3) for event in make_conversation(f"c{number}", messages=4)]
    )
    segments = record.seal(rows=6)
    damaged = record.settings.lake_path / segments[1].path
    whole = damaged.read_bytes()
    flip_a_bit(damaged, 1000)
    report = record.load()
    assert [each.segment.path for each in report.damaged] == [segments[1].path]
    assert "sha256" in report.damaged[0].reason
    assert record.query("select count(*) as n from events") == [{"n": 12}]
    quarantined = record.query("select path, status from segments where status <> 'loaded'")
    assert quarantined == [{"path": segments[1].path, "status": "quarantined"}]
    damaged.write_bytes(whole)
    assert record.load().damaged == []
    repaired = contents(record)
    delete_warehouse(record)
    record.load()
    assert contents(record) == repaired


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "another file"])
def test_a_segment_that_differs_from_the_manifest_is_not_loaded(record: Record, how: str) -> None:
    record.write(make_conversation(messages=8))
    segments = record.seal(rows=5)
    path = record.settings.lake_path / segments[0].path
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[:-10])
        case "empty":
            path.write_bytes(b"")
        case _:
            shutil.copy(record.settings.lake_path / segments[1].path, path)
    report = record.load()
    assert [each.segment for each in report.damaged] == [segments[0]]
    assert record.query("select count(*) as n from events") == [{"n": 5}]


@pytest.mark.long
def test_a_load_that_would_break_a_key_changes_nothing(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the checks: a load must not store duplicated rows."""
    record.publish(make_conversation())
    before = contents(record)
    record.write(make_conversation("c2"))
    record.seal()
    real = incremental.create_source

    def duplicate_source(
        con: duckdb.DuckDBPyConnection, lake: Path, segments: list[Any], zone: str
    ) -> None:
        real(con, lake, segments * 2, zone)

    monkeypatch.setattr(incremental, "create_source", duplicate_source)
    with pytest.raises(CheckError):
        record.load()
    monkeypatch.undo()
    assert contents(record) == before
    assert record.load().events == 4
