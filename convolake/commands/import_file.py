"""`import`: one subcommand for each importer."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from convolake.console import print_line, progress_bar, report_errors
from ingest.importers import IMPORTERS
from ingest.importers.base import Importer
from ingest.settings import Settings

app = typer.Typer()
imports = typer.Typer(
    help="Import another system's history through the API. Safe to repeat: nothing is doubled.",
    no_args_is_help=True,
)
app.add_typer(imports, name="import")

MAX_REASONS = 20
"""Maximum rejected or damaged places that the command prints."""


def _command(importer: Importer) -> Callable[[Path], None]:
    def run(
        path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=importer.file_help)],
    ) -> None:
        _run(importer, path)

    return run


for _importer in IMPORTERS:
    imports.command(_importer.name, help=_importer.description)(_command(_importer))


def _run(importer: Importer, path: Path) -> None:
    from convolake.api_client import MissingKeyError, open_client
    from ingest.client import ClientError
    from ingest.importers.runner import ImportReport, run_import

    def show(report: ImportReport) -> None:
        counts = {
            "read": report.read,
            "accepted": report.accepted,
            "duplicate": report.duplicate,
            "parked": report.parked,
            "rejected": len(report.rejected),
            "damaged": len(report.damage),
        }
        print_line(
            ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
            or "no events in this file"
        )
        reasons = [f"{each.place}: {each.code}: {each.detail}" for each in report.rejected]
        reasons += [f"{each.place}: {each.reason}" for each in report.damage]
        for reason in reasons[:MAX_REASONS]:
            print_line(f"  {path}, {reason}", style="red")
        if len(reasons) > MAX_REASONS:
            print_line(f"  and {len(reasons) - MAX_REASONS:,} more", style="red")
        if not report.is_reconciled:
            print_line("some events have no result; run the import again", style="red")

    settings = Settings()
    with report_errors(ClientError, MissingKeyError), open_client(settings) as client:
        with progress_bar(f"importing {path.name}") as bar:
            report = run_import(importer, path, client, bar.advance)
        show(report)
        if not report.is_complete:
            raise typer.Exit(1)
