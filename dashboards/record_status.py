"""The bounds of the filters, and how current the warehouse is."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.filter_state import Bounds, Period
from dashboards.warehouse_reader import TTL_SECONDS, read_frames, snapshot
from ingest.manifest import ManifestError, Segment, read_manifest
from warehouse.record_bounds import read_bounds

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Freshness:
    """How far the warehouse is behind the lake. `newest_at` is UTC, null if it is empty."""

    newest_at: datetime | None
    newest_at_local: datetime | None
    event_count: int
    waiting_segments: int
    waiting_events: int
    quarantined: pl.DataFrame
    manifest_error: str | None


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_bounds(warehouse: Path) -> Bounds:
    """Return the periods and channels to choose from.

    Raises WarehouseMissingError, WarehouseNotReadyError.
    """
    with snapshot(warehouse) as cursor:
        found = read_bounds(cursor)
    return Bounds(
        None if found.days is None else Period(*found.days),
        found.channels,
        found.reporting_zone,
        found.bots,
        found.bot_versions,
        found.hours_zones,
    )


@st.cache_data(ttl=TTL_SECONDS, show_spinner=False)
def load_freshness(warehouse: Path, lake: Path) -> Freshness:
    """Compare the warehouse with the lake. Raises WarehouseMissingError, WarehouseNotReadyError."""
    frames = read_frames(warehouse, HERE, ["freshness", "segments"], {})
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
    """Return whether the ledger has a segment, or all segments that it was compacted from."""
    parts = segment.replaces
    return segment.path in known or (bool(parts) and all(part.path in known for part in parts))


def _sealed(lake: Path) -> tuple[list[Segment], str | None]:
    try:
        return read_manifest(lake)[0], None
    except (ManifestError, OSError) as error:
        return [], str(error)
