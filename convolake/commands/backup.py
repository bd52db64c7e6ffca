"""`backup`, `restore`: the record into a folder and back, each in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from convolake.backup import Contents

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one that is not there yet.")],
) -> None:
    """Copy the record into FOLDER while everything runs: all events acknowledged before."""
    from datetime import UTC, datetime

    from convolake.backup import BackupError, back_up
    from ingest.manifest import ManifestError

    settings = Settings()
    with report_errors(BackupError, ManifestError, OSError), progress_bar("backing up") as bar:
        contents = back_up(settings, folder, datetime.now(UTC), lambda: bar.advance(1))
    print_line(f"{contents.events:,} events in {len(contents.files):,} files, in {folder}")
    if settings.secret_keys_path.exists():
        print_line(
            f"not in it: {settings.secret_keys_path}, the key of the secrets in the store; keep it in another place"
        )


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup.")],
) -> None:
    """Restore the backup in FOLDER into an empty CONVOLAKE_DATA, and verify it."""
    from convolake.backup import BackupError
    from convolake.backup import restore as restore_record

    settings = Settings()
    with report_errors(BackupError, OSError), progress_bar("restoring") as bar:
        contents = restore_record(settings, folder, lambda: bar.advance(1))
    if not _is_proven(settings, contents):
        raise typer.Exit(1)
    print_line(f"{contents.events:,} events are back; `convolake load` makes the warehouse")


def _is_proven(settings: Settings, contents: "Contents") -> bool:
    from convolake.verify import verify

    verdict = verify(settings)
    # There is no warehouse in a backup, and that is no fault.
    failed = [check for check in verdict.checks if not check.ok and check.name != "warehouse"]
    for check in failed:
        print_line(f"FAIL {check.name}: {check.detail}", style="red")
    if verdict.events != contents.events:
        print_line(f"the log ends at {verdict.events}, not {contents.events}", style="red")
    return not failed and verdict.events == contents.events
