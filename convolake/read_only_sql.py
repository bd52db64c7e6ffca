"""What makes the queries of analysts safe: one SELECT, on a connection that reaches only the warehouse."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

_EXPLAIN = re.compile(r"\s*explain\b\s*(analyze\b|\([^()]*\))?", re.IGNORECASE)
_READERS = {
    "ducklake_current_snapshot", "ducklake_last_committed_snapshot", "ducklake_list_files",
    "ducklake_options", "ducklake_settings", "ducklake_snapshots", "ducklake_table_changes",
    "ducklake_table_deletions", "ducklake_table_info", "ducklake_table_insertions",
}  # fmt: skip
"""DuckLake's functions that only read; its others rewrite or delete files."""


class NotOneSelectError(Exception):
    """The query is not exactly one SELECT; nothing was run."""


def lock_down(con: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Restrict `con` to the warehouse's files, and lock its configuration."""
    files = exp.Literal.string(f"{(warehouse / 'files').resolve()}/").sql("duckdb")
    con.execute(f"SET allowed_directories = [{files}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET python_enable_replacements = false")
    con.execute("SET lock_configuration = true")


def one_select(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """Return the query, if it is one SELECT or the EXPLAIN of one and calls nothing that writes.

    Raises NotOneSelectError; duckdb.Error if it cannot be parsed.
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
