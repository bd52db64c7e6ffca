"""Runs the pages' queries on one connection to the warehouse.

The frames of one call come from one transaction, so they belong to one snapshot of the warehouse, however many
loads commit meanwhile. Callers cache them for TTL_SECONDS: a new load shows after that time at the latest.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import streamlit as st

from warehouse.lake import WarehouseMissingError as WarehouseMissingError
from warehouse.lake import connect

logger = logging.getLogger(__name__)

TTL_SECONDS = 10
"""Time for which a page keeps its frames."""

Frames = dict[str, pl.DataFrame]


class WarehouseNotReadyError(Exception):
    """The warehouse cannot be read now: a process creates it, or rebuilds it."""


@dataclass(frozen=True)
class _Attached:
    connection: duckdb.DuckDBPyConnection
    identity: str


_IDENTITY = "select schema_uuid from __ducklake_metadata_lake.ducklake_schema where schema_id = 0"


def _identity(connection: duckdb.DuckDBPyConnection) -> str:
    with connection.cursor() as cursor:
        return str(cursor.execute(_IDENTITY).fetchall()[0][0])


def _is_current(attached: _Attached) -> bool:
    """Return whether the connection's catalog is the one on disk.

    After a delete and rebuild, DuckDB would read the new files with cached metadata of the old ones.
    """
    try:
        return _identity(attached.connection) == attached.identity
    except duckdb.Error:
        return False


# Attaching costs up to 0.9 s, so one connection serves every session of this process.
@st.cache_resource(validate=_is_current, show_spinner=False)
def _attach(warehouse: Path) -> _Attached:
    connection = connect(warehouse)
    return _Attached(connection, _identity(connection))


def read_frames(
    warehouse: Path, directory: Path, names: list[str], parameters: Mapping[str, Any]
) -> Frames:
    """Run the queries `names` of `directory/sql` in one transaction; return a frame for each.

    Each query gets the parameters that it names. Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    with snapshot(warehouse) as cursor:
        return {
            name: run_query(cursor, directory / "sql" / f"{name}.sql", parameters) for name in names
        }


@contextmanager
def snapshot(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a cursor that reads one state of the warehouse.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    try:
        with _attach(warehouse).connection.cursor() as cursor:
            cursor.execute("begin")  # first: each statement before it asks for the snapshot too
            cursor.execute("use lake.main")  # a cursor does not inherit it
            yield cursor
    except duckdb.Error as error:
        logger.warning("the warehouse %s could not be read", warehouse, exc_info=True)
        raise WarehouseNotReadyError(str(error)) from error


def run_query(
    cursor: duckdb.DuckDBPyConnection, path: Path, parameters: Mapping[str, Any]
) -> pl.DataFrame:
    """Run the query in a file with the parameters that it names."""
    text = _text(path)
    named = {name: parameters[name] for name in set(re.findall(r"\$([a-z_]+)", text))}
    return cursor.execute(text, named).pl()


@cache
def _text(path: Path) -> str:
    return path.read_text()
