"""`chats`: writes conversations as chats, for the training of models or for reading."""

from pathlib import Path
from typing import Annotated

import typer

from convolake.chats import ChatFormat
from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings

app = typer.Typer()


@app.command()
def chats(
    folder: Annotated[Path, typer.Argument(help="A new folder for the files.")],
    form: Annotated[
        ChatFormat,
        typer.Option(
            "--format",
            help="training: chats.jsonl with tool calls; text: a file a conversation, as WhatsApp exports it.",
        ),
    ] = ChatFormat.training,
    conversation: Annotated[
        list[str] | None, typer.Option(help="Only this conversation; may be repeated.")
    ] = None,
    unmasked: Annotated[
        bool, typer.Option("--unmasked", help="Keep email addresses, phone and card numbers.")
    ] = False,
) -> None:
    """Write conversations as chats: `convolake chats out --format training`. Personal data is masked."""
    from convolake.chats import export_chats
    from warehouse.export_format import ExportError
    from warehouse.lake import WarehouseMissingError

    settings = Settings()
    errors = report_errors(ExportError, WarehouseMissingError, OSError)
    with errors, progress_bar("writing chats") as progress:
        count = export_chats(
            settings.warehouse_path,
            folder,
            form,
            conversation or [],
            is_masked=not unmasked,
            on_chat=lambda: progress.advance(1),
        )
    print_line(f"{count:,} conversations are in {folder}")
