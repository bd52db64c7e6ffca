"""What makes the queries of analysts safe: one SELECT, on a connection that reaches only the warehouse.

The rule of `convolake sql` and of the dashboard. The dashboard also runs each query in a process of its own,
with limits: see `query_process`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

_EXPLAIN = re.compile(r"\s*explain\b\s*(analyze\b|\([^()]*\))?", re.IGNORECASE)
_READERS = {
    "ducklake_current_snapshot", "ducklake_last_committed_snapshot", "ducklake_list_files",
    "ducklake_options", "ducklake_settings", "ducklake_snapshots", "ducklake_table_changes",
    "ducklake_table_deletions", "ducklake_table_info", "ducklake_table_insertions",
}  # fmt: skip
"""DuckLake's functions that only read; its others rewrite or delete files."""
_INDIRECT = {"query", "query_table", "checkpoint", "force_checkpoint"}
"""Functions that write, or that hide what they call."""
_PRIVATE = {
    "current_setting", "duckdb_settings", "duckdb_secrets", "duckdb_extensions", "duckdb_databases",
    "duckdb_logs", "pragma_database_list", "which_secret", "getenv",
}  # fmt: skip
"""Functions and views that show settings, secrets, or places of files on the server."""
_FILE_READERS = ("read_", "parquet_", "sqlite_", "sniff_", "glob", "arrow_scan", "pandas_scan")
"""Beginnings of the names of functions that read files: also those of the warehouse are reached by its tables only."""


class NotOneSelectError(Exception):
    """The query is not exactly one SELECT; nothing was run."""


def lock_down(con: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Restrict `con` to the warehouse's files, and lock its configuration."""
    files = exp.Literal.string(f"{(warehouse / 'files').resolve()}/").sql("duckdb")
    con.execute(f"SET allowed_directories = [{files}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET python_enable_replacements = false")
    con.execute("SET lock_configuration = true")


_ROWS_OF_A_TABLE = {
    f"{of}table_{name}"
    for of in ("", "ducklake_")
    for name in ("changes", "deletions", "insertions")
}
"""Functions that return rows of a table that they name."""
_AUDIT = "audit_events"
_AUDIT_FILE = Path(__file__).parent / "sql" / "views" / f"{_AUDIT}.sql"


def hide_audit(con: duckdb.DuckDBPyConnection) -> None:
    """Let `events` name every event but those of who sees what, for `one_select` without `reads_audit`."""
    audit = sqlglot.parse_one(_AUDIT_FILE.read_text(), dialect="duckdb").args["where"].this
    others = exp.not_(exp.func("coalesce", audit, exp.false())).sql("duckdb")
    con.execute(f"create temp view events as select * from lake.main.events where {others}")  # noqa: S608 (our own file)


def one_select(con: duckdb.DuckDBPyConnection, query: str, *, reads_audit: bool = True) -> str:
    """Return the query, if it is one SELECT or the EXPLAIN of one and calls nothing that writes.

    DESCRIBE, SHOW and SUMMARIZE are SELECTs too. Without `reads_audit` it may not read who sees what. Raises NotOneSelectError; duckdb.Error if it cannot be parsed.
    """
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
    try:
        parsed = json.loads(tree)
        _check(parsed)
        if not reads_audit:
            _check_audit(parsed)
    except RecursionError as error:
        raise NotOneSelectError("the query is nested too deeply; simplify it") from error
    return query


def _check(parsed: Any) -> None:
    if parsed["error"]:
        raise NotOneSelectError(f"give one SELECT instead: {parsed['error_message']}")
    names = {name for name in _named(parsed, "function_name") if _is_forbidden(name)}
    tables = set(_named(parsed, "table_name"))
    names |= _PRIVATE & tables | {name for name in tables if "/" in name}
    for name in sorted(names):
        raise NotOneSelectError(f"{name} reaches past the warehouse's tables; leave it out")


def _check_audit(parsed: Any) -> None:
    if _ROWS_OF_A_TABLE & set(_named(parsed, "function_name")) or _AUDIT in _named(
        parsed, "table_name"
    ):
        raise NotOneSelectError(f"only an admin reads {_AUDIT}, or the rows of past versions")
    if any(node["table_name"].lower() == "events" for node in _qualified_tables(parsed)):
        raise NotOneSelectError("write events without the name of a database or a schema")


def _qualified_tables(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("table_name") and (node.get("schema_name") or node.get("catalog_name")):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _qualified_tables(each)


def _named(node: Any, key: str) -> Iterator[str]:
    """Return the names of all functions, or of all tables, in a statement's tree."""
    if isinstance(node, dict):
        if isinstance(node.get(key), str):
            yield node[key].lower()
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _named(each, key)


def _is_forbidden(name: str) -> bool:
    # DuckDB's lock does not hold the SQLite extension, and leaves the warehouse's own files open.
    if name.startswith("ducklake_"):
        return name not in _READERS
    return name.startswith(_FILE_READERS) or name in _INDIRECT | _PRIVATE
