"""`load`: loads the log into the warehouse."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from convolake.console import console, print_line, progress_bar, report_errors
from convolake.priority import lower_priority
from ingest.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.execution.plan.objects import StepFailureData

app = typer.Typer()

_EXPECTED = {
    "BusinessHoursError", "CheckError", "IOException", "ManifestError", "PermissionError", "WarehouseBusyError",
}  # fmt: skip


@app.command()
def load() -> None:
    """Load all events of the log into the warehouse, once: the job that Dagster runs."""
    from ingest.lake.sealer import LakeBehindError, catch_up
    from pipelines.dagster_home import run_once

    lower_priority()
    settings = Settings()
    with report_errors(LakeBehindError):
        with progress_bar("sealing what the log holds"):
            catch_up(settings)
        with progress_bar("loading"):
            result = run_once(settings)
        if not result.success:
            for event in result.get_step_failure_events():
                print_line(_words(event.step_failure_data), style="red")
            raise typer.Exit(1)
    _show(result)


def _words(failure: "StepFailureData") -> str:
    """Return an expected error as one line, and an unexpected one with its stack.

    Dagster gives only the names and messages of exceptions, wrapped in its own about retries.
    """
    error = failure.error
    while error is not None:
        if error.cls_name in _EXPECTED:
            return error.message.strip().partition(": ")[2]
        error = error.cause
    return str(failure.error_display_string)


def _show(result: "dg.ExecuteInProcessResult") -> None:
    table = Table("model", "rows written")
    written: dict[str, int] = {}
    quarantined = 0
    for event in result.get_asset_materialization_events():
        values = {name: value.value for name, value in event.materialization.metadata.items()}
        written[event.materialization.asset_key.to_user_string()] = int(str(values["rows_written"]))
        quarantined = int(str(values["quarantined_segments"]))
    for name, rows in written.items():
        if rows:
            table.add_row(name, f"{rows:,}")
    if table.row_count:
        console.print(table)
    else:
        print_line("nothing was new")
    if rejected := written.get("rejected_events"):
        print_line(f"{rejected:,} events are in rejected_events, with the reason", style="yellow")
    if quarantined:
        print_line(
            f"{quarantined} segments are damaged and left out; `convolake verify` names them",
            style="red",
        )
        raise typer.Exit(1)
