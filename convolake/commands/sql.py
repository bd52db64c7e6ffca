"""`sql`: ask the warehouse, read-only, at any time, also during a load."""

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.screen import complaining
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

app = typer.Typer()


class Format(enum.StrEnum):
    """How a result is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@app.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SELECT; leave it out to read it from standard input.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="table, csv, json or parquet.")
    ] = Format.table,
    recipe: Annotated[
        bool, typer.Option(help="Print how to reach the warehouse from duckdb itself.")
    ] = False,
) -> None:
    """Run a query on the warehouse, for example: select channel, count(*) from conversations group by all."""
    import duckdb

    from warehouse.lake import WarehouseMissingError, connect

    settings = Settings()
    if recipe:
        typer.echo(_recipe(settings.warehouse_path))
        return
    with complaining(WarehouseMissingError, duckdb.Error):
        con = connect(settings.warehouse_path)
        frame = con.sql(query or sys.stdin.read())
        if frame is None:
            return
        _write(frame, form)


def _write(result: "duckdb.DuckDBPyRelation", form: Format) -> None:
    if form is Format.table:
        typer.echo(str(result), nl=False)
        return
    frame = result.pl()
    if form is Format.csv:
        frame.write_csv(sys.stdout)
    elif form is Format.json:
        for row in frame.iter_slices(10_000):
            row.write_ndjson(sys.stdout.buffer)
    else:
        frame.write_parquet(sys.stdout.buffer)


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
