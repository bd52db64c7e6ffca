"""An export has every row of one snapshot, and a manifest that proves it."""

import hashlib
import json
from pathlib import Path

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from convolake.cli import app
from tests.factories import Record, make_conversation, make_event
from warehouse.model import models

FORMULAS = ("=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1")


@pytest.fixture
def recorded(record: Record) -> Record:
    said = [make_event(text=text, event_id=f"f{n}") for n, text in enumerate(FORMULAS)]
    record.publish([*make_conversation(messages=2), *said, make_event(text='plain, "quoted"')])
    return record


def run(record: Record, *arguments: str, code: int = 0) -> str:
    env = {"CONVOLAKE_DATA": str(record.settings.data)}
    result = CliRunner().invoke(app, ["export", *arguments], env=env)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.long
@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_every_table_is_exported_with_all_its_rows_and_columns(
    recorded: Record, tmp_path: Path, form: str
) -> None:
    folder = tmp_path / "out"
    run(recorded, str(folder), "--format", form)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [each["name"] for each in manifest["tables"]] == [model.name for model in models()]
    for each, model in zip(manifest["tables"], models(), strict=True):
        content = (folder / each["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
        assert list(each["columns"]) == list(model.columns)
        (stored,) = recorded.query(f"select count(*) as n from {model.name}")
        assert each["rows"] == stored["n"]
        if form == "parquet":
            assert pl.read_parquet(folder / each["file"]).height == stored["n"]
    assert isinstance(manifest["snapshot"], int)


def test_a_csv_file_runs_no_formula_and_keeps_the_text(recorded: Record, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(recorded, str(folder), "--format", "csv", "--table", "messages")
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "messages.csv"]
    texts = duckdb.sql(f"select text from read_csv('{folder}/messages.csv') order by sequence")
    found = [row[0] for row in texts.fetchall()]
    assert found[2:] == [*(f"'{text}" for text in FORMULAS), 'plain, "quoted"']


def test_a_jsonl_file_keeps_the_bytes_of_a_text(recorded: Record, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(recorded, str(folder), "--format", "jsonl", "--table", "messages")
    lines = (folder / "messages.jsonl").read_text().splitlines()
    assert {json.loads(line)["text"] for line in lines} >= set(FORMULAS)


def test_a_folder_with_files_and_an_unknown_table_are_answered_clearly(
    recorded: Record, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    assert "is not empty; give a new folder" in run(recorded, str(tmp_path), code=1)
    answer = run(recorded, str(tmp_path / "out"), "--table", "massages", code=1)
    assert (
        "there is no table massages; there are: business_hours, dates, contact_merges, events"
        in answer
    )
    assert not (tmp_path / "out").exists()
