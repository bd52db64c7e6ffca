"""`sql`: queries the warehouse, read-only, at any time, also during a load.

Two safeguards: only a SELECT (or the EXPLAIN of one) is run, and the connection is locked, so that it
reaches only the files of the warehouse, no network and no variable of this program.
"""

import csv
import enum
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import report_errors
from convolake.warehouse_options import At, WarehouseFolder, open_warehouse
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

app = typer.Typer()

ROWS = 10_000
"""Rows fetched at once, so that a large result is not in memory twice."""

UNLIMITED = 1_000_000
"""Width of a table that is written to a file or a pipe: no column is cut."""


class Format(enum.StrEnum):
    """Output format of a result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@app.command()
def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT; leave it out for a prompt, or to read it from standard input."
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="table, csv, json (one array of objects) or parquet."),
    ] = Format.table,
    recipe: Annotated[
        bool, typer.Option(help="Print how to reach the warehouse from duckdb itself.")
    ] = False,
    folder: WarehouseFolder = None,
    at: At = None,
) -> None:
    """Run a query on the warehouse, for example: select channel, count(*) from conversations group by all."""
    import duckdb

    from warehouse.lake import SnapshotMissingError, WarehouseMissingError
    from warehouse.read_only_sql import NotOneSelectError, lock_down, one_select

    settings = Settings()
    if recipe:
        typer.echo(_recipe(folder or settings.warehouse_path))
        return
    errors = (WarehouseMissingError, SnapshotMissingError, NotOneSelectError, duckdb.Error)
    with report_errors(*errors):
        con = open_warehouse(settings, folder, at)
        lock_down(con, folder or settings.warehouse_path)
        if query is None and sys.stdin.isatty():
            from convolake.sql_prompt import SqlPrompt

            SqlPrompt(con, _show, typer.echo).run(settings.data / ".sql_history")
            return
        result = con.sql(one_select(con, query or sys.stdin.read()))
        try:
            _write(result, form)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough; Python flushes once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(result: "duckdb.DuckDBPyRelation", form: Format) -> None:
    match form:
        case Format.table:
            _show(result)
        case Format.csv:
            _write_csv(result)
        case Format.json:
            _write_json(result)
        case Format.parquet:
            buffer = io.BytesIO()
            # Not straight into the pipe: polars has an error of its own for one that was closed.
            result.pl().write_parquet(buffer)
            sys.stdout.buffer.write(buffer.getbuffer())


def _show(result: "duckdb.DuckDBPyRelation") -> None:
    """Print a table; only a terminal limits its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED
    result.show(max_width=width)


def _write_csv(result: "duckdb.DuckDBPyRelation") -> None:
    """Cast every value to DuckDB's own text, so that lists and intervals have one too."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.columns)
    texts = result.project("cast(columns(*) as varchar)")
    while rows := texts.fetchmany(ROWS):
        writer.writerows(rows)


def _write_json(result: "duckdb.DuckDBPyRelation") -> None:
    """Write one array, with one object a row and line."""
    objects = result.set_alias("answer").project("cast(to_json(answer) as varchar)")
    before = "["
    while rows := objects.fetchmany(ROWS):
        for (text,) in rows:
            sys.stdout.write(f"{before}{text}")
            before = ",\n"
    sys.stdout.write("[]\n" if before == "[" else "]\n")


def _recipe(warehouse: Path) -> str:
    import duckdb

    from warehouse.lake import attach_statement, extension_directory

    directory = extension_directory()
    attach = attach_statement(warehouse, read_only=True)
    return f"""\
-- The duckdb command line (version {duckdb.__version__}):
SET extension_directory = '{directory}';
LOAD ducklake;
LOAD sqlite;
{attach};
USE lake;

# Python:
import duckdb
con = duckdb.connect(config={{"extension_directory": "{directory}"}})
con.load_extension("ducklake")
con.load_extension("sqlite")
con.execute({attach!r})
con.execute("USE lake")
con.sql("select channel, count(*) from conversations group by all").show()
"""  # noqa: S608 (text for a person)
