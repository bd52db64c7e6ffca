"""`verify`: verifies the record, or names the damaged place."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line
from ingest.settings import Settings

if TYPE_CHECKING:
    from convolake.verify_warehouse import Check

app = typer.Typer()


@app.command()
def verify(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
) -> None:
    """Verify that log, Parquet and warehouse have the same events without a gap; exit 1 if not."""
    from convolake.verify import save
    from convolake.verify import verify as verify_record

    settings = Settings()
    verdict = verify_record(settings, _print)
    save(verdict, settings.verify_path, datetime.now(UTC))
    for count, what in ((verdict.unsealed_events, "sealed"), (verdict.unloaded_events, "loaded")):
        if count:
            events = "event is" if count == 1 else "events are"
            print_line(f"{count:,} {events} not {what} yet", style="yellow")
    if as_json:
        typer.echo(json.dumps(verdict.as_json(), indent=2))
    if not verdict.ok:
        raise typer.Exit(1)


def _print(check: "Check") -> None:
    mark, style = ("ok  ", "green") if check.ok else ("FAIL", "red")
    print_line(f"{mark} {check.name}: {check.detail}", style=style)
