"""`sql`: queries the warehouse, read-only, at any time, also during a load.

Two safeguards: only a SELECT (or the EXPLAIN of one) is run, and the connection is locked, so that it
reaches only the files of the warehouse, no network and no variable of this program.
"""

import csv
import enum
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolake.console import report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

app = typer.Typer()

ROWS = 10_000
"""Rows fetched at once, so that a large result is not in memory twice."""

_EXPLAIN = re.compile(r"\s*explain\b\s*(analyze\b|\([^()]*\))?", re.IGNORECASE)
_READERS = {
    "ducklake_current_snapshot", "ducklake_last_committed_snapshot", "ducklake_list_files",
    "ducklake_options", "ducklake_settings", "ducklake_snapshots", "ducklake_table_changes",
    "ducklake_table_deletions", "ducklake_table_info", "ducklake_table_insertions",
}  # fmt: skip
"""DuckLake's functions that only read; its others rewrite or delete files."""


class NotOneSelectError(Exception):
    """The query is not exactly one SELECT; nothing was run."""


class Format(enum.StrEnum):
    """Output format of a result."""

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
        Format,
        typer.Option("--format", help="table, csv, json (one array of objects) or parquet."),
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
    with report_errors(WarehouseMissingError, NotOneSelectError, duckdb.Error):
        con = connect(settings.warehouse_path)
        lock_down(con, settings.warehouse_path)
        result = con.sql(one_select(con, query or sys.stdin.read()))
        try:
            _write(result, form)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough; Python flushes once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lock_down(con: "duckdb.DuckDBPyConnection", warehouse: Path) -> None:
    """Restrict `con` to the warehouse's files, and lock its configuration."""
    from sqlglot import exp

    files = exp.Literal.string(f"{(warehouse / 'files').resolve()}/").sql("duckdb")
    con.execute(f"SET allowed_directories = [{files}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET python_enable_replacements = false")
    con.execute("SET lock_configuration = true")


def one_select(con: "duckdb.DuckDBPyConnection", query: str) -> str:
    """Return the query, if it is one SELECT or the EXPLAIN of one and calls nothing that writes.

    Raises NotOneSelectError; duckdb.Error if it cannot be parsed.
    """
    import duckdb
    from sqlglot import exp

    kinds = [statement.type for statement in con.extract_statements(query)]
    inner = query
    if kinds == [duckdb.StatementType.EXPLAIN]:
        inner = query[explain.end() :] if (explain := _EXPLAIN.match(query)) else ""
        kinds = [statement.type for statement in con.extract_statements(inner)]
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise NotOneSelectError(f"give one SELECT, the warehouse is read-only here; got: {found}")
    # As a literal: DuckDB imports pandas to bind a value, which takes 0.3 s.
    literal = exp.Literal.string(inner).sql("duckdb")
    (tree,) = con.execute(f"select json_serialize_sql({literal})").fetchall()[0]
    parsed = json.loads(tree)
    if parsed["error"]:
        raise NotOneSelectError(f"give one SELECT instead: {parsed['error_message']}")
    for name in sorted(set(_functions(parsed))):
        if _is_forbidden(name):
            raise NotOneSelectError(f"{name}() reaches past the warehouse's tables; leave it out")
    return query


def _functions(node: Any) -> Iterator[str]:
    """Return the names of all functions in a statement's tree."""
    if isinstance(node, dict):
        if "function_name" in node:
            yield str(node["function_name"]).lower()
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _functions(each)


def _is_forbidden(name: str) -> bool:
    # DuckDB's lock does not hold the SQLite extension, and `query` hides what it calls.
    if name.startswith("ducklake_"):
        return name not in _READERS
    return name.startswith("sqlite_") or name in {"query", "checkpoint", "force_checkpoint"}


def _write(result: "duckdb.DuckDBPyRelation", form: Format) -> None:
    match form:
        case Format.table:
            typer.echo(str(result), nl=False)
        case Format.csv:
            _write_csv(result)
        case Format.json:
            _write_json(result)
        case Format.parquet:
            buffer = io.BytesIO()
            # Not straight into the pipe: polars has an error of its own for one that was closed.
            result.pl().write_parquet(buffer)
            sys.stdout.buffer.write(buffer.getbuffer())


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
