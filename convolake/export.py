"""Exports tables and views of the warehouse into files, all of one snapshot, with a manifest.

The manifest names the columns, the number of rows and the sha256 of each file: a reader can prove that it has
everything, and a column that is missing is seen.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from sqlglot import exp

from ingest.manifest import file_sha256
from warehouse import incremental
from warehouse.export_format import FORMULA, ExportError, Format
from warehouse.lake import connect
from warehouse.model import Model, models

MANIFEST = "manifest.json"

_COPY = {
    Format.parquet: "format parquet, compression zstd",
    Format.csv: "format csv, header true",
    Format.jsonl: "format json, array false",
}


@dataclass(frozen=True)
class ExportedTable:
    """One file of an export."""

    name: str
    file: str
    rows: int
    sha256: str
    columns: dict[str, str]


def export(
    warehouse: Path,
    folder: Path,
    form: Format,
    names: Sequence[str],
    now: datetime,
    on_table: Callable[[str], object] = lambda _: None,
) -> list[ExportedTable]:
    """Write tables and views into an empty folder; without `names`, all of them.

    Text of a CSV file that a spreadsheet would run as a formula begins with an apostrophe. Raises ExportError,
    WarehouseMissingError.
    """
    chosen = _choose(names)
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with connect(warehouse) as con:
        con.execute("begin")  # one snapshot, also while a load commits
        found = con.execute("select max(snapshot_id) from ducklake_snapshots('lake')").fetchone()
        tables: list[ExportedTable] = []
        for model in chosen:
            on_table(model.name)
            tables.append(_write(con, model, folder, form))
        con.execute("commit")
    manifest = {
        "exported_at": now.isoformat(),
        "snapshot": found[0] if found else None,
        "format": form.value,
        "tables": [
            {
                "name": each.name,
                "file": each.file,
                "rows": each.rows,
                "sha256": each.sha256,
                "columns": each.columns,
            }
            for each in tables
        ],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return tables


def _choose(names: Sequence[str]) -> list[Model]:
    known = {model.name: model for model in models()}
    if unknown := sorted(set(names) - known.keys()):
        raise ExportError(f"there is no table {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names or known]


def _write(
    con: duckdb.DuckDBPyConnection, model: Model, folder: Path, form: Format
) -> ExportedTable:
    relation = incremental.stored_table(model.name)
    described = con.execute(f"describe {relation.sql('duckdb')}").fetchall()
    types = {row[0]: row[1] for row in described}
    columns = [_column(name, kind, form) for name, kind in types.items()]
    query = exp.select(*columns).from_(relation).order_by(*model.key)
    path = folder / f"{model.name}.{form.value}"
    target = exp.Literal.string(str(path)).sql("duckdb")
    found = con.execute(f"copy ({query.sql('duckdb')}) to {target} ({_COPY[form]})").fetchone()
    rows = int(found[0]) if found else 0
    return ExportedTable(model.name, path.name, rows, file_sha256(path), types)


def _column(name: str, kind: str, form: Format) -> exp.Expr:
    column = exp.column(name)
    if form is not Format.csv or kind != "VARCHAR":
        return column
    is_formula = exp.func("regexp_matches", column.copy(), exp.Literal.string(FORMULA))
    escaped = exp.DPipe(this=exp.Literal.string("'"), expression=column.copy())
    return exp.case().when(is_formula, escaped).else_(column).as_(name)
