"""`backup`, `restore`: the record into a folder and back, each in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.screen import complaining, progress, say
from ingest.settings import Settings

if TYPE_CHECKING:
    from convolake.backup import Contents

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one that is not there yet.")],
) -> None:
    """Copy the record into FOLDER while everything runs: all that was acknowledged before."""
    from datetime import UTC, datetime

    from convolake.backup import BackupError, back_up
    from ingest.manifest import ManifestError

    with complaining(BackupError, ManifestError, OSError), progress("backing up") as bar:
        contents = back_up(Settings(), folder, datetime.now(UTC), lambda: bar.advance(1))
    say(f"{contents.events:,} events in {len(contents.files):,} files, in {folder}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup.")],
) -> None:
    """Put the backup in FOLDER into an empty CONVOLAKE_DATA, and prove it."""
    from convolake.backup import BackupError
    from convolake.backup import restore as restore_record

    settings = Settings()
    with complaining(BackupError, OSError), progress("restoring") as bar:
        contents = restore_record(settings, folder, lambda: bar.advance(1))
    if not _is_proven(settings, contents):
        raise typer.Exit(1)
    say(f"{contents.events:,} events are back; `convolake load` makes the warehouse")


def _is_proven(settings: Settings, contents: "Contents") -> bool:
    from convolake.verify import verify

    verdict = verify(settings)
    # There is no warehouse in a backup, and that is no fault.
    failed = [check for check in verdict.checks if not check.ok and check.name != "warehouse"]
    for check in failed:
        say(f"FAIL {check.name}: {check.detail}", style="red")
    if verdict.events != contents.events:
        say(f"the log ends at {verdict.events}, not {contents.events}", style="red")
    return not failed and verdict.events == contents.events
