"""`otlp`: prints a conversation as spans of OpenTelemetry."""

from typing import Annotated, Any

import typer

from convolake.console import print_line
from ingest.settings import Settings

app = typer.Typer()

PAGE = 1_000
"""Events that are read at once."""


@app.command()
def otlp(
    conversation_id: Annotated[str, typer.Argument(help="The conversation.")],
) -> None:
    """Print a conversation as OTLP in JSON: `convolake otlp ID | curl --json @- … /v1/traces`.

    It reads the log, so this runs where the API runs.
    """
    import msgspec

    from ingest.bots.otlp import replay

    events = _read(Settings(), conversation_id)
    if not events:
        print_line("there is no conversation with this id", "red")
        raise typer.Exit(2)
    typer.echo(msgspec.json.encode(replay.to_otlp(conversation_id, events)).decode())


def _read(settings: Settings, conversation_id: str) -> list[dict[str, Any]]:
    """Return the events of a conversation."""
    from ingest.log.queries import SequenceRange, list_event_views
    from ingest.log.storage.engine import migrate, open_engine

    migrate(settings.database_url)
    engine = open_engine(settings.database_url, read_only=True)
    events: list[dict[str, Any]] = []
    while True:
        after = SequenceRange(events[-1]["sequence"] if events else 0)
        page = list_event_views(engine, conversation_id, PAGE, after, "all")
        events += page
        if len(page) < PAGE:
            engine.dispose()
            return events
