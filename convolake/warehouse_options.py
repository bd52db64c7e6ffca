"""The options that choose a warehouse and one of its states, shared by the commands that read it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from convolake.console import print_line
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

WarehouseFolder = Annotated[
    Path | None,
    typer.Option("--warehouse", help="Folder of another warehouse, which `rebuild` made."),
]
At = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        formats=FORMATS,
        help="Read the last kept state before then, in the reporting zone: all of the last minutes, one a day before.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        formats=FORMATS,
        help="Only events that were committed until then, in the reporting zone.",
    ),
]


def in_reporting_zone(given: datetime | None, settings: Settings) -> datetime | None:
    """Return a time of the command line with its zone."""
    return None if given is None else given.replace(tzinfo=ZoneInfo(settings.reporting_zone))


def open_warehouse(
    settings: Settings, folder: Path | None, at: datetime | None
) -> "duckdb.DuckDBPyConnection":
    """Return a connection to the chosen state; with `at`, print when that state was committed.

    Raises WarehouseMissingError, SnapshotMissingError.
    """
    from warehouse.lake import committed_at, connect

    con = connect(folder or settings.warehouse_path, at=in_reporting_zone(at, settings))
    if at is not None:
        time = committed_at(con).astimezone(ZoneInfo(settings.reporting_zone))
        print_line(f"state of {time:%Y-%m-%d %H:%M:%S} {settings.reporting_zone}")
    return con
