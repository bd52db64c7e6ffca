"""`maintain`: the warehouse's daily maintenance, once."""

from typing import TYPE_CHECKING

import typer

from convolake.console import print_line, progress_bar
from convolake.priority import lower_priority
from ingest.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer()


@app.command()
def maintain() -> None:
    """Merge the warehouse's files and remove old ones, once: the job that Dagster runs daily."""
    from pipelines.dagster_home import run_once

    lower_priority()
    with progress_bar("maintaining the warehouse"):
        result = run_once(Settings(), "maintain")
    if not result.success:
        _report_failure(result)
        raise typer.Exit(1)
    print_line(str(result.output_for_node("maintain_files")))


def _report_failure(result: "dg.ExecuteInProcessResult") -> None:
    for event in result.get_step_failure_events():
        print_line(str(event.step_failure_data.error_display_string), style="red")
