"""DuckDB's extensions: their signatures are checked once in a process, and no connection loads an unsigned one."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.factories import Record, make_conversation
from warehouse.lake import EXTENSIONS, connect, extension_directory


@pytest.fixture
def con(record: Record) -> Iterator[duckdb.DuckDBPyConnection]:
    record.publish(make_conversation())
    with connect(record.settings.warehouse_path) as con:
        yield con


def test_both_extensions_are_loaded(con: duckdb.DuckDBPyConnection) -> None:
    query = "select extension_name from duckdb_extensions() where loaded"
    loaded = {name for (name,) in con.execute(query).fetchall()}
    assert {"ducklake", "sqlite_scanner"} <= loaded
    assert len(EXTENSIONS) == 2


def test_a_connection_loads_no_changed_extension(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    [signed] = extension_directory().rglob("sqlite_scanner.duckdb_extension")
    changed = bytearray(signed.read_bytes())
    changed[len(changed) // 2] ^= 1
    file = tmp_path / "changed.duckdb_extension"
    file.write_bytes(changed)
    with pytest.raises(duckdb.IOException, match="signature"):
        con.load_extension(str(file))


def test_a_connection_cannot_be_told_to_accept_unsigned_extensions(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for statement in (
        "set allow_unsigned_extensions = true",
        "set global allow_unsigned_extensions = true",
        "pragma allow_unsigned_extensions = true",
    ):
        with pytest.raises(duckdb.Error):
            con.execute(statement)
    con.execute("reset allow_unsigned_extensions")
    found = con.execute("select current_setting('allow_unsigned_extensions')").fetchone()
    assert found == (False,)
