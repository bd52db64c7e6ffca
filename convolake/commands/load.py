"""`load`: what the log holds, into the warehouse."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from convolake.screen import complaining, progress, say, screen
from ingest.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer()


@app.command()
def load() -> None:
    """Load all that the log holds into the warehouse: the job that Dagster runs, once, here."""
    from ingest.lake.sealer import LakeBehindError, catch_up
    from pipelines.home import run_once

    settings = Settings()
    with complaining(LakeBehindError):
        with progress("sealing what the log holds"):
            catch_up(settings)
        with progress("loading"):
            result = run_once(settings)
        if not result.success:
            for event in result.get_step_failure_events():
                say(str(event.step_failure_data.error_display_string), style="red")
            raise typer.Exit(1)
    _show(result)


def _show(result: "dg.ExecuteInProcessResult") -> None:
    table = Table("model", "rows written")
    quarantined = 0
    for event in result.get_asset_materialization_events():
        values = {name: value.value for name, value in event.materialization.metadata.items()}
        table.add_row(
            event.materialization.asset_key.to_user_string(), f"{values['rows_written']:,}"
        )
        quarantined = int(str(values["quarantined_segments"]))
    screen.print(table)
    if quarantined:
        say(
            f"{quarantined} segments are damaged and left out; `convolake verify` names them",
            style="red",
        )
        raise typer.Exit(1)
