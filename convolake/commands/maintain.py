"""`maintain`: the warehouse's daily upkeep, once."""

from typing import TYPE_CHECKING

import typer

from convolake.screen import progress, say
from ingest.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer()


@app.command()
def maintain() -> None:
    """Merge the warehouse's files and remove old ones: the job that Dagster runs daily, here."""
    from pipelines.home import run_once

    with progress("maintaining the warehouse"):
        result = run_once(Settings(), "maintain")
    if not result.success:
        _complain(result)
        raise typer.Exit(1)
    say(str(result.output_for_node("maintain_files")))


def _complain(result: "dg.ExecuteInProcessResult") -> None:
    for event in result.get_step_failure_events():
        say(str(event.step_failure_data.error_display_string), style="red")
