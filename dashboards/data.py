"""Every query the pages ask, and the one connection they are asked on.

What a page shows together is read in one transaction, so its figures belong to one state of
the warehouse, however many loads commit meanwhile. Frames are kept for TTL_SECONDS: a new
load shows after that time at the latest.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import streamlit as st

from dashboards.scope import Bounds, Period, Scope, Search
from ingest.manifest import ManifestError, Segment, read_manifest
from warehouse.lake import WarehouseMissingError as WarehouseMissingError
from warehouse.lake import connect

logger = logging.getLogger(__name__)

TTL_SECONDS = 10
PAGE_SIZE = 25
PART_SIZE = 100
SQL = Path(__file__).parent / "sql"


class WarehouseNotReadyError(Exception):
    """The warehouse cannot be read at this moment: it is being made, or made anew."""


@dataclass(frozen=True)
class Overview:
    """The frames of the overview page, all of one state of the warehouse."""

    headline: dict[str, Any]
    conversations: pl.DataFrame
    messages: pl.DataFrame
    handoff_share: pl.DataFrame
    handoff_share_by_channel: pl.DataFrame


@dataclass(frozen=True)
class Page:
    """One page of the list of conversations; `rows` is empty if none match."""

    rows: pl.DataFrame

    @property
    def number(self) -> int:
        """Which page this is, from 1."""
        return int(self.rows["page"][0]) if self.rows.height else 1

    @property
    def matches(self) -> int:
        """Conversations on all pages."""
        return int(self.rows["matches"][0]) if self.rows.height else 0

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.matches // PAGE_SIZE))

    @property
    def first(self) -> int:
        """Place of the first row among all matches, from 1."""
        return (self.number - 1) * PAGE_SIZE + 1


@dataclass(frozen=True)
class Transcript:
    """One conversation: its own row, and one part of what happened in it."""

    conversation: dict[str, Any]
    entries: pl.DataFrame

    @property
    def entry_count(self) -> int:
        """Entries of all parts."""
        return int(self.entries["entries"][0]) if self.entries.height else 0

    @property
    def part(self) -> int:
        """Which part this is, from 1."""
        return int(self.entries["part"][0]) if self.entries.height else 1

    @property
    def parts(self) -> int:
        """How many parts it has; at least one."""
        return max(1, -(-self.entry_count // PART_SIZE))


@dataclass(frozen=True)
class Freshness:
    """How far the warehouse is behind the record. `newest_at` is UTC, null if it is empty."""

    newest_at: datetime | None
    newest_at_local: datetime | None
    event_count: int
    waiting_segments: int
    waiting_events: int
    quarantined: pl.DataFrame
    manifest_error: str | None


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def bounds(warehouse: Path) -> Bounds:
    """What there is to choose from. Raises WarehouseMissingError, WarehouseNotReadyError."""
    row = _read(warehouse, ["bounds"], {})["bounds"].row(0, named=True)
    first_on, last_on = row["first_on"], row["last_on"]
    period = Period(first_on, last_on) if first_on is not None else None
    return Bounds(period, tuple(row["channels"]), row["reporting_zone"] or "UTC")


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def overview(warehouse: Path, scope: Scope) -> Overview:
    """The figures of a scope. Raises WarehouseMissingError, WarehouseNotReadyError."""
    period = scope.period
    parameters = {
        **_scope_parameters(scope),
        "before_first_on": period.before.first_on,
        "before_last_on": period.before.last_on,
        "grain": period.grain,
    }
    series = ["conversations_over_time", "messages_over_time", "handoff_share_over_time"]
    frames = _read(warehouse, ["headline", *series, "handoff_share_by_channel"], parameters)
    return Overview(
        headline=frames["headline"].row(0, named=True),
        conversations=frames["conversations_over_time"],
        messages=frames["messages_over_time"],
        handoff_share=frames["handoff_share_over_time"],
        handoff_share_by_channel=frames["handoff_share_by_channel"],
    )


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def conversations(warehouse: Path, scope: Scope, search: Search, page: int) -> Page:
    """One page of the matching conversations, newest first; a page beyond the last is the last.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    parameters = {
        **_scope_parameters(scope),
        "state": search.state,
        "is_handed_off": search.is_handed_off,
        "search": search.text,
        "with_tests": search.with_tests,
        "page": page,
        "page_size": PAGE_SIZE,
    }
    return Page(_read(warehouse, ["conversations_page"], parameters)["conversations_page"])


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def transcript(warehouse: Path, conversation_id: str, part: int) -> Transcript | None:
    """One part (from 1) of a transcript; None if no conversation has this id.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    parameters = {"conversation_id": conversation_id, "part": part, "part_size": PART_SIZE}
    frames = _read(warehouse, ["conversation", "transcript"], parameters)
    found = frames["conversation"]
    return Transcript(found.row(0, named=True), frames["transcript"]) if found.height else None


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def freshness(warehouse: Path, lake: Path) -> Freshness:
    """How far the warehouse is. Raises WarehouseMissingError, WarehouseNotReadyError."""
    frames = _read(warehouse, ["freshness", "segments"], {})
    known = set(frames["segments"]["path"])
    quarantined = frames["segments"].filter(pl.col("status") == "quarantined")
    sealed, error = _sealed(lake)
    waiting = [segment.rows for segment in sealed if not _is_known(segment, known)]
    return Freshness(
        **frames["freshness"].row(0, named=True),
        waiting_segments=len(waiting),
        waiting_events=sum(waiting),
        quarantined=quarantined.select("path", "rows", "reason"),
        manifest_error=error,
    )


def _is_known(segment: Segment, known: set[str]) -> bool:
    """Loaded or quarantined, by itself or as the segments that it was compacted from."""
    parts = segment.replaces
    return segment.path in known or (bool(parts) and all(part.path in known for part in parts))


def _sealed(lake: Path) -> tuple[list[Segment], str | None]:
    try:
        return read_manifest(lake)[0], None
    except (ManifestError, OSError) as error:
        return [], str(error)


def _scope_parameters(scope: Scope) -> dict[str, Any]:
    return {
        "first_on": scope.period.first_on,
        "last_on": scope.period.last_on,
        "channels": list(scope.channels) or None,
    }


@dataclass(frozen=True)
class _Attached:
    connection: duckdb.DuckDBPyConnection
    identity: str


_IDENTITY = "select schema_uuid from __ducklake_metadata_lake.ducklake_schema where schema_id = 0"


def _identity(connection: duckdb.DuckDBPyConnection) -> str:
    with connection.cursor() as cursor:
        return str(cursor.execute(_IDENTITY).fetchall()[0][0])


def _is_still_there(attached: _Attached) -> bool:
    """Whether its catalog is the one on disk: after a delete and rebuild, DuckDB would go on
    reading the new files by what it remembers of the old ones.
    """  # noqa: D205
    try:
        return _identity(attached.connection) == attached.identity
    except duckdb.Error:
        return False


# Attaching costs up to 0.9 s, so one connection serves every session of this process.
@st.cache_resource(validate=_is_still_there, show_spinner=False)
def _attached(warehouse: Path) -> _Attached:
    connection = connect(warehouse)
    return _Attached(connection, _identity(connection))


def _read(warehouse: Path, names: list[str], parameters: dict[str, Any]) -> dict[str, pl.DataFrame]:
    """The frames of the queries `names`, read in one transaction."""
    try:
        with _attached(warehouse).connection.cursor() as cursor:
            cursor.execute("use lake.main")  # a cursor does not inherit it
            cursor.execute("begin")
            return {name: _ask(cursor, name, parameters) for name in names}
    except duckdb.Error as error:
        logger.warning("the warehouse %s could not be read", warehouse, exc_info=True)
        raise WarehouseNotReadyError(str(error)) from error


def _ask(cursor: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
    text = _text(name)
    named = {key: parameters[key] for key in set(re.findall(r"\$([a-z_]+)", text))}
    return cursor.execute(text, named).pl()


@cache
def _text(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()
