"""The queries of the conversations page: the list, and one transcript."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import streamlit as st

from dashboards.filter_state import Choices, Scope, Search
from dashboards.warehouse_reader import TTL_SECONDS, read_frames, run_query, snapshot

HERE = Path(__file__).parent

PAGE_SIZE = 25
"""Conversations on one page of the list."""

ALL = 2**31 - 1
"""Size of a page with all conversations."""

PART_SIZE = 100
"""Entries in one part of a transcript."""

MESSAGE_DAYS = ("usual_first_on", "usual_last_on", "latest_on")
"""Columns of `days.sql` without which no message is read."""


@dataclass(frozen=True)
class ConversationPage:
    """Page `number`, from 1, of the list of conversations; `rows` is empty if none match."""

    rows: pl.DataFrame
    number: int = 1

    @property
    def matches(self) -> int:
        """Number of conversations on all pages."""
        return int(self.rows["matches"][0]) if self.rows.height else 0

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, -(-self.matches // PAGE_SIZE))

    @property
    def first(self) -> int:
        """Place of the first row among all matches, from 1."""
        return (self.number - 1) * PAGE_SIZE + 1


@dataclass(frozen=True)
class Transcript:
    """One conversation: its own row, and one part of its entries."""

    conversation: dict[str, Any]
    entries: pl.DataFrame
    part_size: int = PART_SIZE

    @property
    def entry_count(self) -> int:
        """Number of entries in all parts."""
        return int(self.entries["entries"][0]) if self.entries.height else 0

    @property
    def part(self) -> int:
        """Number of this part, from 1."""
        return int(self.entries["part"][0]) if self.entries.height else 1

    @property
    def parts(self) -> int:
        """Number of parts, at least one."""
        return max(1, -(-self.entry_count // self.part_size))


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_conversations(
    warehouse: Path, scope: Scope, search: Search, page: int
) -> ConversationPage:
    """Return one page of the matching conversations; beyond the last page, the last.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    found = ConversationPage(_read_page(warehouse, scope, search, page, PAGE_SIZE), page)
    if found.rows.height or page == 1:
        return found
    last = ConversationPage(_read_page(warehouse, scope, search, 1, PAGE_SIZE)).pages
    return ConversationPage(_read_page(warehouse, scope, search, last, PAGE_SIZE), last)


def load_all_conversations(warehouse: Path, scope: Scope, search: Search) -> pl.DataFrame:
    """Return the rows of all pages. Raises WarehouseMissingError, WarehouseNotReadyError."""
    rows = _read_page(warehouse, scope, search, 1, ALL)
    return rows.drop("matches", "found_sequence")


def _read_page(
    warehouse: Path, scope: Scope, search: Search, page: int, page_size: int
) -> pl.DataFrame:
    parameters = {
        **scope.parameters,
        **asdict(search),
        "search": search.text,
        "names_handoff": search.names_handoff,
        "skipped": (page - 1) * page_size,
        "page_size": page_size,
    }
    with snapshot(warehouse) as cursor:
        (days,) = run_query(cursor, HERE / "sql" / "days.sql", parameters).to_dicts()
        if not search.text:
            days |= dict.fromkeys(MESSAGE_DAYS)
        return run_query(cursor, HERE / "sql" / "conversations_page.sql", parameters | days)


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_choices(warehouse: Path) -> Choices:
    """Return the values that the filters offer. Raises WarehouseMissingError, WarehouseNotReadyError."""
    frame = read_frames(warehouse, HERE, ["choices"], {})["choices"]
    return Choices(**{name: tuple(names) for name, names in frame.iter_rows()})


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_transcript(
    warehouse: Path,
    conversation_id: str,
    part: int,
    found: int | None = None,
    part_size: int = PART_SIZE,
) -> Transcript | None:
    """Return one part (from 1) of a transcript; None if no conversation has this id.

    With `found`, the sequence of an event, return the entries from there on, and two before.
    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    parameters = {
        "conversation_id": conversation_id,
        "part": part,
        "part_size": part_size,
        "found": found,
    }
    with snapshot(warehouse) as cursor:
        rows = run_query(cursor, HERE / "sql" / "conversation.sql", parameters)
        if not rows.height:
            return None
        row = rows.row(0, named=True)
        known = {name: row[name] for name in ("first_on", "last_on", "reporting_zone")}
        entries = run_query(cursor, HERE / "sql" / "transcript.sql", parameters | known)
        waits = _read_waits(cursor, entries, parameters | known)
    return Transcript(row, entries.with_columns(waits), part_size)


def _read_waits(
    cursor: duckdb.DuckDBPyConnection, entries: pl.DataFrame, parameters: dict[str, Any]
) -> pl.Series:
    """Return for each entry the wait that it ends: the first acceptance of a handoff ends it."""
    is_accepted = entries["event_type"] == "handoff.accepted"
    if not is_accepted.any():
        return pl.Series("wait_seconds", [None] * entries.height, pl.Int64)
    waits = run_query(cursor, HERE / "sql" / "waits.sql", parameters)
    found = entries.join(waits, on=["handoff_id", "happened_at"], how="left", maintain_order="left")
    return found.select(pl.when(is_accepted).then(pl.col("wait_seconds"))).to_series()
