"""`import`: one subcommand for each importer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from convolake.commands.import_options import Answers, read_options
from convolake.console import print_line, progress_bar, report_errors
from ingest.garbage import rare_collections
from ingest.importers import IMPORTERS
from ingest.importers.base import Ambiguity, Importer, ImportOptions
from ingest.importers.preview import Preview, preview
from ingest.importers.runner import ImportReport
from ingest.settings import Settings

app = typer.Typer()
imports = typer.Typer(
    help="Import another system's history through the API. Safe to repeat: nothing is doubled.",
    no_args_is_help=True,
)
app.add_typer(imports, name="import")

MAX_REASONS = 20
"""Maximum rejected or damaged places that the command prints."""


def _command(importer: Importer) -> Callable[..., None]:
    def run(
        paths: Annotated[list[Path], typer.Argument(exists=True, help=importer.file_help)],
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would come and what is ambiguous.")
        ] = False,
        columns: Annotated[
            list[str] | None,
            typer.Option("--map", metavar="FIELD=COLUMN", help="The column of a field. Repeatable."),
        ] = None,
        roles: Annotated[
            list[str] | None,
            typer.Option(
                "--role", metavar="NAME=ROLE",
                help="customer, bot, agent or system; the name * is everyone else. Repeatable.",
            ),
        ] = None,
        zone: Annotated[
            str | None, typer.Option(help="Zone of times without one, as Europe/Berlin.")
        ] = None,
        dates: Annotated[
            str | None, typer.Option(help="Order of day, month and year: dmy, mdy or ymd.")
        ] = None,
        starts_at: Annotated[
            str | None, typer.Option(help="Start of a file that has no times or no dates.")
        ] = None,
        encoding: Annotated[
            str | None, typer.Option(help="Encoding of lines that are not UTF-8, as latin-1.")
        ] = None,
        conversation: Annotated[
            str | None, typer.Option(help="Id of the conversation of a file that holds only one.")
        ] = None,
    ) -> None:  # fmt: skip
        answers = Answers(columns, roles, zone, dates, starts_at, encoding, conversation)
        with report_errors(OSError):
            _run(importer, paths, read_options(answers), dry_run=dry_run)

    return run


for _importer in IMPORTERS:
    imports.command(_importer.name, help=_importer.description)(_command(_importer))


def _run(
    importer: Importer, paths: Sequence[Path], options: ImportOptions, *, dry_run: bool
) -> None:
    reports = _previewed if dry_run else _imported
    is_complete = True
    for path, report in reports(importer, paths, options):
        _show_problems(path, report)
        is_complete &= report.is_complete if not dry_run else not report.damage
    if not is_complete:
        raise typer.Exit(1)


def _previewed(
    importer: Importer, paths: Sequence[Path], options: ImportOptions
) -> Iterator[tuple[Path, ImportReport]]:
    for path in paths:
        with progress_bar(f"reading {path.name}") as bar:
            found = preview(importer, path, options, bar.advance)
        _show_preview(path, found)
        yield path, found.report


def _imported(
    importer: Importer, paths: Sequence[Path], options: ImportOptions
) -> Iterator[tuple[Path, ImportReport]]:
    from convolake.api_client import MissingKeyError, open_client
    from ingest.client import ClientError
    from ingest.importers.runner import run_import

    settings = Settings()
    errors = report_errors(ClientError, MissingKeyError)
    with errors, open_client(settings) as client, rare_collections():
        for path in paths:
            with progress_bar(f"importing {path.name}") as bar:
                report = run_import(importer, path, client, bar.advance, options)
            _show_report(path, report)
            yield path, report


def _show_preview(path: Path, found: Preview) -> None:
    print_line(
        f"{path}: {found.report.read:,} events: {len(found.conversations):,} conversations, "
        f"{found.messages:,} messages, {len(found.participants):,} participants"
    )
    if found.first is not None and found.last is not None:
        print_line(f"  from {found.first.isoformat()} to {found.last.isoformat()}")
    else:
        print_line("  without times: they would get the time of the import")


def _show_report(path: Path, report: ImportReport) -> None:
    counts = {
        "read": report.read,
        "accepted": report.accepted,
        "duplicate": report.duplicate,
        "parked": report.parked,
        "rejected": len(report.rejected),
        "damaged": len(report.damage),
    }
    text = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    print_line(f"{path}: {text or 'no events in this file'}")
    if not report.is_reconciled:
        print_line("some events have no result; run the import again", style="red")


def _show_problems(path: Path, report: ImportReport) -> None:
    for ambiguity in report.ambiguities:
        print_line(f"  {_question(ambiguity)}", style="yellow")
    for reason, count in report.skipped.most_common():
        print_line(f"  {count:,} left out: {reason}")
    reasons = [f"{each.place}: {each.code}: {each.detail}" for each in report.rejected]
    reasons += [f"{each.place}: {each.reason}" for each in report.damage]
    for reason in reasons[:MAX_REASONS]:
        print_line(f"  {path}, {reason}", style="red")
    if len(reasons) > MAX_REASONS:
        print_line(f"  and {len(reasons) - MAX_REASONS:,} more", style="red")


def _question(ambiguity: Ambiguity) -> str:
    names = f": {', '.join(ambiguity.names)}" if ambiguity.names else ""
    return f"{ambiguity.question}{names}; {ambiguity.assumption} ({ambiguity.option})"
