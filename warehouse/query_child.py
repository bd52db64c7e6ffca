"""The child process of `query_process`: sets its own limits, runs one query, writes the answer, ends.

Standard input has the request as JSON. Standard output gets one line of JSON, and after it the rows as an
Arrow stream. The process never widens a limit, and nothing that a query does can.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.lake import connect
from warehouse.read_only_sql import NotOneSelectError, hide_audit, lock_down, one_select

THREADS = 2
START_SECONDS = 20.0
"""Time to attach the warehouse, on top of the time of the query."""
FILE_BYTES = 4 * 2**20
"""The catalog's index of SQLite may grow to this size while it is read; no other file is written."""

PLAIN_TYPES = {
    "boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger",
    "ubigint", "float", "double", "decimal", "varchar", "date", "time", "timestamp",
    "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone",
}  # fmt: skip
"""Types that a table shows as they are; others (lists, intervals …) become their text."""


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    # The kernel ends the process if nothing else does, also when its parent is gone.
    signal.setitimer(signal.ITIMER_REAL, START_SECONDS)
    os.nice(10)
    try:
        head, table = _answer(request)
    except NotOneSelectError as error:
        head, table = {"kind": "not_allowed", "error": str(error)}, None
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        head, table = {"kind": "memory", "error": str(error)}, None
    except duckdb.Error as error:
        head, table = {"kind": "query", "error": str(error)}, None
    _write(head, table)


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], pa.Table | None]:
    warehouse = Path(request["warehouse"])
    with connect(warehouse) as con:
        _limit(con, request["memory_mb"], request["seconds"])
        if not request["reads_audit"]:
            hide_audit(con)
        lock_down(con, warehouse)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        started = time.perf_counter()
        result = _bind(con, one_select(con, request["query"], reads_audit=request["reads_audit"]))
        names = list(result.columns)
        shown = result.project(", ".join(map(_shown, range(len(names)), result.types)))
        table = _rows(shown.limit(request["rows"] + 1))
        seconds = time.perf_counter() - started
    if table.nbytes > request["result_mb"] * 2**20:
        return {"kind": "result", "error": ""}, None
    is_cut = table.num_rows > request["rows"]
    table = table.slice(0, request["rows"]).rename_columns(_unique(names))
    return {"kind": "answer", "is_cut": is_cut, "seconds": seconds}, table


def _bind(con: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """Return what the query selects, without running it."""
    try:
        return con.sql(query)
    except (duckdb.BinderException, duckdb.CatalogException):
        con.execute(query)  # raises the same, with the line and the place in it
        raise


def _rows(result: duckdb.DuckDBPyRelation) -> pa.Table:
    try:
        return result.to_arrow_table()
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        # The place that it names is one in the projection above, not in the query.
        raise type(error)(str(error).partition("\n\nLINE ")[0]) from error


def _limit(con: duckdb.DuckDBPyConnection, memory_mb: int, seconds: float) -> None:
    """Limit DuckDB by its settings, and the process by the kernel: DuckDB does not count every allocation."""
    con.execute(f"SET memory_limit = '{memory_mb * 2 // 3}MB'")
    con.execute(f"SET threads = {THREADS}")
    con.execute("SET temp_directory = ''")
    con.execute("SET max_temp_directory_size = '0B'")
    con.execute("SET preserve_insertion_order = true")
    _set_limit(resource.RLIMIT_DATA, _data_bytes() + memory_mb * 2**20)
    _set_limit(resource.RLIMIT_CPU, int(seconds * THREADS) + 1)
    _set_limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _set_limit(resource.RLIMIT_CORE, 0)


def _set_limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _data_bytes() -> int:
    """Return what this process has allocated so far, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 2**30


def _shown(number: int, kind: Any) -> str:
    """Return the expression of a column by its place: names may be double, or have any character."""
    column = f"#{number + 1}"
    if kind.id == "hugeint":  # the sum of integers
        return f"cast({column} as decimal(38, 0))"
    return column if kind.id in PLAIN_TYPES else f"cast({column} as varchar)"


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in found:
            number, unique = number + 1, f"{name}_{number + 1}"
        found.append(unique)
    return found


def _write(head: dict[str, Any], table: pa.Table | None) -> None:
    out: Any = sys.stdout.buffer
    out.write(json.dumps(head).encode() + b"\n")
    if table is not None:
        with pa.ipc.new_stream(pa.PythonFile(out, mode="w"), table.schema) as writer:
            writer.write_table(table)
    out.flush()
    # No clean-up: the rest of a large query would be freed piece by piece.
    os._exit(0)


if __name__ == "__main__":
    main()
