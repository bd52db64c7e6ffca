"""What stands around the entries of a transcript: earlier texts, model calls, episodes; search and other conversations."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.conversations.data import Transcript
from dashboards.warehouse_reader import TTL_SECONDS, read_frames

HERE = Path(__file__).parent

MAX_OTHERS = 50
"""Maximum number of other conversations of a contact on the page, the newest."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Details:
    """By sequence: the texts that edits replaced, calls of models, and the episode that opens there."""

    edits: dict[int, list[Row]] = field(default_factory=dict)
    calls: dict[int, Row] = field(default_factory=dict)
    episodes: dict[int, Row] = field(default_factory=dict)


@dataclass(frozen=True)
class Hits:
    """The messages of a conversation with some words.

    `place` is the number of hits up to a given sequence; `before_at` and `after_at` are the
    sequences of its neighbours. `shown` has the sequences of the hits in this part of the transcript.
    """

    hits: int
    place: int
    before_at: int | None
    after_at: int | None
    shown: list[int]


def load_details(warehouse: Path, found: Transcript) -> Details:
    """Return the details of one part of a transcript. Raises WarehouseMissingError, WarehouseNotReadyError."""
    if not found.entries.height:
        return Details()
    entries = found.entries
    wanted = {
        "edits": entries["is_edited"].any(),
        "model_calls": "bot.turn_completed" in entries["event_type"],
        "episodes": "message.created" in entries["event_type"]
        or "conversation.reopened" in entries["event_type"],
    }
    first, last = int(entries["sequence"][0]), int(entries["sequence"][-1])
    names = tuple(name for name, is_needed in wanted.items() if is_needed)
    return _load_details(warehouse, _days(found), first, last, names)


def load_hits(warehouse: Path, found: Transcript, words: str, at: int) -> Hits:
    """Return how many messages of the whole conversation have the words, and those around a sequence.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    sequences = found.entries["sequence"]
    first, last = (int(sequences[0]), int(sequences[-1])) if found.entries.height else (0, 0)
    return _load_hits(warehouse, _days(found), words, at, first, last)


def load_sequence_at(warehouse: Path, found: Transcript, moment: datetime) -> int | None:
    """Return the first event at or after a time in the reporting zone; None after the last one.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    parameters = dict(_days(found)) | {"moment": moment.isoformat()}
    rows = read_frames(warehouse, HERE, ["sequence_at"], parameters)["sequence_at"]
    sequence: int | None = rows.item()
    return sequence


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_others(warehouse: Path, contact_id: str, conversation_id: str) -> pl.DataFrame:
    """Return the newest other conversations of a contact. Raises WarehouseMissingError, WarehouseNotReadyError."""
    parameters = {
        "contact_id": contact_id,
        "conversation_id": conversation_id,
        "most": MAX_OTHERS,
    }
    return read_frames(warehouse, HERE, ["other_conversations"], parameters)["other_conversations"]


Days = tuple[tuple[str, Any], ...]
"""The conversation and its first and last day, as a key of the cache."""


def _days(found: Transcript) -> Days:
    return tuple(
        (name, found.conversation[name]) for name in ("conversation_id", "first_on", "last_on")
    )


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_details(
    warehouse: Path, days: Days, first: int, last: int, names: tuple[str, ...]
) -> Details:
    """Run only the queries that find something in these entries: most have no edit and no model call."""
    parameters = dict(days) | {"first": first, "last": last}
    frames = read_frames(warehouse, HERE, list(names), parameters)
    rows = {name: list(frame.iter_rows(named=True)) for name, frame in frames.items()}
    edits: dict[int, list[Row]] = {}
    for row in rows.get("edits", []):
        edits.setdefault(row["sequence"], []).append(row)
    return Details(
        edits, _by_sequence(rows.get("model_calls", [])), _by_sequence(rows.get("episodes", []))
    )


def _by_sequence(rows: list[Row]) -> dict[int, Row]:
    return {row["sequence"]: row for row in rows}


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def _load_hits(warehouse: Path, days: Days, words: str, at: int, first: int, last: int) -> Hits:
    parameters = dict(days) | {"words": words, "at": at, "first": first, "last": last}
    row = read_frames(warehouse, HERE, ["hits"], parameters)["hits"].row(0, named=True)
    return Hits(**row | {"shown": row["shown"] or []})
