"""`export`: writes tables of the warehouse into files, with a manifest."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings
from warehouse.export_format import ExportError, Format

app = typer.Typer()


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder for the files and manifest.json.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table or view; may be repeated. All of them by default."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="parquet, csv (safe for spreadsheets) or jsonl.")
    ] = Format.parquet,
) -> None:
    """Export tables and views of one snapshot: `convolake export out --table conversation_facts --format csv`."""
    from convolake.export import export as write
    from warehouse.lake import WarehouseMissingError

    settings = Settings()
    errors = report_errors(ExportError, WarehouseMissingError, OSError)
    with errors, progress_bar("exporting") as progress:
        exported = write(
            settings.warehouse_path,
            folder,
            form,
            table or [],
            datetime.now(UTC),
            lambda _: progress.advance(1),
        )
    rows = sum(each.rows for each in exported)
    print_line(f"{len(exported)} tables with {rows:,} rows are in {folder}")
