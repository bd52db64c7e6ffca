"""Each model on small cases, `cases/<model>/<what_it_shows>.yaml`. Omitted columns are null, omitted tables empty."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml

from ingest.arrow_schema import SCHEMA
from ingest.contract import COLUMNS
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, rows_of
from warehouse.incremental import MODELLED_EVENTS
from warehouse.lake import connect
from warehouse.model import (
    LATER_EVENTS,
    SOURCE,
    SOURCES,
    Model,
    by_conversation,
    columns_read,
    models,
)

CASES = Path(__file__).parent / "cases"
BY_NAME = {model.name: model for model in models()}


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Return the columns and types of every model in a real warehouse."""
    record = Record(Settings(data=tmp_path_factory.mktemp("types")), Clock())
    record.publish(make_conversation())
    with connect(record.settings.warehouse_path) as con:
        found = {
            model.name: {
                row["column_name"]: row["column_type"]
                for row in rows_of(con, f"describe {model.name}")
            }
            for model in models()
        }
    return found | {LATER_EVENTS: found["events"]}


def run_case(path: Path, types: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Return the rows of the model for the case's tables, in the order of its key."""
    model = BY_NAME[path.parent.name]
    con = duckdb.connect()
    given = yaml.safe_load(path.read_text())["given"]
    for name, rows in (dict.fromkeys((*model.reads, LATER_EVENTS), ()) | given).items():
        con.execute(
            f"create table {name} ({', '.join(f'{key} {kind}' for key, kind in types[name].items())})"
        )
        for row in rows:
            marks = ", ".join(f"${key}" for key in row)
            con.execute(f"insert into {name} ({', '.join(row)}) values ({marks})", row)
    found = [
        {name: _plain(value) for name, value in row.items()}
        for row in rows_of(con, model.query.sql("duckdb"))
    ]
    return sorted(found, key=lambda row: [str(row[key]) for key in model.key])


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@pytest.mark.parametrize(
    "path", sorted(CASES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}:{path.stem}"
)
def test_a_model_gives_what_the_case_expects(path: Path, types: dict[str, dict[str, str]]) -> None:
    found, expected = run_case(path, types), yaml.safe_load(path.read_text())["expect"]
    named = [{name: row[name] for name in each} for row, each in zip(found, expected, strict=True)]
    assert named == expected


def test_every_mart_and_view_has_a_case() -> None:
    assert {path.name for path in CASES.iterdir()} == {
        model.name for model in models() if model.layer not in ("staging", "calendar")
    }


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_a_header_names_the_real_columns_in_order(
    model: Model, types: dict[str, dict[str, str]]
) -> None:
    assert list(model.columns) == list(types[model.name])
    assert set(model.key) <= set(model.columns)


def test_a_column_that_several_models_share_has_one_type(types: dict[str, dict[str, str]]) -> None:
    kinds: dict[str, set[str]] = {}
    for columns in types.values():
        for name, kind in columns.items():
            kinds.setdefault(name, set()).add(kind)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_the_staging_model_carries_every_column_of_the_contract() -> None:
    assert {column.name for column in COLUMNS} <= set(BY_NAME["events"].columns)
    assert BY_NAME["events"].reads == (SOURCE,)
    assert len(SCHEMA) == len(COLUMNS)


def test_model_headers_become_comments_and_the_table_columns(record: Record) -> None:
    record.publish(make_conversation())
    commented = {
        (row["table_name"], row["column_name"]): row["comment"]
        for row in record.query(
            "select table_name, column_name, comment from duckdb_columns() where database_name = 'lake'"
        )
    }
    described = {
        (row["table_name"], row["position"]): (row["column_name"], row["description"])
        for row in record.query("select * from columns")
    }
    for model in models():
        for number, (name, meaning) in enumerate(model.columns.items(), 1):
            assert described.pop((model.name, number)) == (name, meaning)
            if model.load_by != "view":  # DuckLake keeps no comment on a view's column
                assert commented[model.name, name] == meaning
    assert described == {}


def test_models_are_built_after_the_tables_they_read() -> None:
    seen: set[str] = set(SOURCES)
    for model in models():
        assert set(model.reads) <= seen
        seen.add(model.name)


def test_a_load_reads_only_the_needed_columns_of_old_events() -> None:
    read = columns_read(BY_NAME["events"], by_conversation())
    assert {"conversation_id", "happened_on", "text", "sequence", "position"} <= set(read)
    assert not {"occurred_at", "fingerprint", "schema_version"} & set(read)


def test_a_query_that_selects_everything_reads_every_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = sqlglot.parse_one("select e.* from events as e", dialect="duckdb")
    monkeypatch.setattr("warehouse.model.checks", lambda: {"all": query})
    assert columns_read(BY_NAME["events"], []) == tuple(BY_NAME["events"].columns)


def test_the_header_of_capped_activity_states_the_cap() -> None:
    assert f"beyond the first {MODELLED_EVENTS:,}" in BY_NAME["capped_activity"].grain
    assert f"more than {MODELLED_EVENTS:,} events" in BY_NAME["conversations"].columns["is_capped"]
