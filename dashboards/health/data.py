"""The queries of the health page about loads, deliveries and files."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.warehouse_reader import TTL_SECONDS, Frames, read_frames
from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings

HERE = Path(__file__).parent
NAMES = [
    "account",
    "loads",
    "restatements",
    "deliveries",
    "dead_letters",
    "unreadable_events",
    "tables",
]
DELIVERY_DAYS = 30
"""Days of attempts that the page counts, up to the newest day on record."""


@dataclass(frozen=True)
class Stored:
    """Files of one part of the installation."""

    part: str
    files: int
    bytes: int


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_health(warehouse: Path, first_on: date) -> Frames:
    """Return the frames of the page, all of one snapshot. Raises WarehouseMissingError, WarehouseNotReadyError."""
    return read_frames(warehouse, HERE, NAMES, {"first_on": first_on})


def load_storage(settings: Settings, tables: pl.DataFrame) -> list[Stored]:
    """Return the parts that are files on this machine: the log if it is SQLite, the lake, the warehouse."""
    found = [Stored("Warehouse", int(tables["files"].sum()), int(tables["bytes"].sum()))]
    try:
        segments, _ = read_manifest(settings.lake_path)
    except (ManifestError, OSError):
        segments = []
    found.insert(0, Stored("Lake (Parquet)", len(segments), sum(each.bytes for each in segments)))
    if settings.store_url is None and settings.store_path.exists():
        found.insert(0, Stored("Log (SQLite)", 1, settings.store_path.stat().st_size))
    return found


def read_report(path: Path) -> dict[str, Any] | None:
    """Return the report that a command has left, with `finished_at` as a time; None if it has not run."""
    try:
        report: dict[str, Any] = json.loads(path.read_text())
        report["finished_at"] = datetime.fromisoformat(report["finished_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report
