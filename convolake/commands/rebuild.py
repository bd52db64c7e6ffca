"""`rebuild`: builds a second warehouse from the sealed events, also as the log was at an earlier time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, progress_bar, report_errors
from convolake.priority import lower_priority
from convolake.warehouse_options import Until, in_reporting_zone
from ingest.settings import Settings

if TYPE_CHECKING:
    from warehouse.load_report import LoadReport

app = typer.Typer()


class FolderNotEmptyError(Exception):
    """The folder has files in it."""


@app.command()
def rebuild(
    folder: Annotated[Path, typer.Argument(help="New folder of the second warehouse.")],
    until: Until = None,
) -> None:
    """Build a second warehouse in FOLDER: last month's report again, with --until. The first one stays as it is."""
    import duckdb

    from ingest.lake.sealer import LakeBehindError, catch_up
    from ingest.manifest import ManifestError
    from warehouse.business_hours import BusinessHoursError
    from warehouse.checks import CheckError

    lower_priority()
    settings = Settings()
    errors = (
        LakeBehindError, FolderNotEmptyError, BusinessHoursError, ManifestError, CheckError, OSError, duckdb.Error,
    )  # fmt: skip
    with report_errors(*errors):
        if folder.exists() and any(folder.iterdir()):
            raise FolderNotEmptyError(f"{folder} has files in it; name a new folder")
        with progress_bar("sealing what the log holds"):
            catch_up(settings)
        with progress_bar("building"):
            report = _build(settings, folder, until)
    print_line(f"{report.events:,} events; `convolake sql --warehouse {folder}` reads them")
    if report.damaged:
        print_line(
            f"{len(report.damaged)} segments are damaged and left out; `convolake verify` names them",
            style="red",
        )
        raise typer.Exit(1)


def _build(settings: Settings, folder: Path, until: Until) -> "LoadReport":
    from warehouse.build import load
    from warehouse.business_hours import read_schedules

    return load(
        settings.lake_path,
        folder,
        settings.reporting_zone,
        business_hours=read_schedules(settings.business_hours),
        until=in_reporting_zone(until, settings),
    )
