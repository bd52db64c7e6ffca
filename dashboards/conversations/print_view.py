"""A conversation for print: plain lines, with or without internal notes, one sheet of at most SHEET_SIZE entries."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import filters, formatting, masking
from dashboards.conversations import details
from dashboards.conversations.data import Transcript
from dashboards.conversations.descriptions import describe, describe_call
from dashboards.conversations.details import Details

SHEET_SIZE = 2_000
"""Maximum number of entries on one sheet; the page says if there are more."""

BLOCK = 200
"""Lines in one element of the page."""

ENTRY = "■"
"""Begins an entry. A long line wraps, so the text of a message shows another sign in its place."""

Row = dict[str, Any]


def show(warehouse: Path, found: Transcript, *, is_masked: bool) -> None:
    """Show one sheet, and what it leaves out."""
    with st.container(key="print-tools"):
        is_short = filters.choose_toggle("Without internal notes and events", "without_notes")
        st.caption("Print it with the browser (Ctrl+P); the controls are not printed.")
    entries = masking.mask_entries(found.entries) if is_masked else found.entries
    shown = entries.filter(pl.col("visibility") != "internal") if is_short else entries
    st.text(_extent(found, is_masked=is_masked, left_out=entries.height - shown.height))
    around = details.load_details(warehouse, found)
    with st.container(key="print"):
        rows = shown.iter_rows(named=True)
        for day, of_day in groupby(rows, lambda row: row["happened_at"].date()):
            with st.container(key=f"day-print-{day}"):
                st.text(formatting.day(day))
            lines = [line for row in of_day for line in _lines(row, around)]
            for start in range(0, len(lines), BLOCK):
                st.text("\n".join(lines[start : start + BLOCK]))
    filters.choose_page("part", found.part, found.parts, drop=("event",))


def _extent(found: Transcript, *, is_masked: bool, left_out: int) -> str:
    zone = found.conversation["reporting_zone"]
    parts = [f"{formatting.counted(found.entry_count, 'entry', 'entries')}, times in {zone}"]
    if found.parts > 1:
        sheets = f"sheet {found.part} of {found.parts}, with at most {SHEET_SIZE:,} entries each"
        parts.append(f"This is {sheets}. Choose the next sheet below the last entry.")
    if left_out:
        parts.append(f"{formatting.count(left_out)} internal on this sheet are left out.")
    if is_masked:
        parts.append("Emails, phone and card numbers are masked.")
    return "\n".join(parts)


def _lines(row: Row, around: Details) -> Iterator[str]:
    """Yield the lines of an entry. Only an entry begins with its mark, so no text can look like one."""
    call = around.calls.get(row["sequence"])
    if row["event_type"] == "message.created":
        what = _author(row)
    else:
        what = describe(row) if call is None else f"Model call{describe_call(call)[0]}"
    yield f"{ENTRY} {row['happened_at']:%H:%M:%S}  #{row['sequence']}  {_unmarked(what)}"
    if row["event_type"] == "message.created":
        text = "This message was deleted." if row["is_deleted"] else row["text"] or "(no text)"
        for line in _unmarked(formatting.reveal(text)).split("\n"):
            yield f"│ {line}"


def _unmarked(text: str) -> str:
    return text.replace(ENTRY, "□")


def _author(row: Row) -> str:
    marks = {
        "internal note": row["visibility"] == "internal",
        "edited": row["is_edited"] and not row["is_deleted"],
        "not delivered": row["failed_at"] is not None,
    }
    parts = [
        f"{row['participant_role'].capitalize()} {formatting.quote(row['participant_id'])}",
        formatting.channel(row["channel"]),
    ]
    return " · ".join([*parts, *(mark for mark, holds in marks.items() if holds)])
