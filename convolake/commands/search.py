"""`search`: finds messages by words, phrase, participant, channel and date."""

import json
from datetime import datetime, timedelta
from typing import Annotated

import typer

from convolake.console import print_line, print_table, progress_bar, report_errors
from ingest.settings import Settings

app = typer.Typer()


@app.command()
def search(
    words: Annotated[
        str,
        typer.Argument(help='Words that a message has, all of them; "a phrase" in quotes; begin*.'),
    ],
    participant: Annotated[
        str | None, typer.Option(help="Only messages of this participant.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Only of customer, bot or agent.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only of this channel.")] = None,
    first_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, in UTC.")
    ] = None,
    last_on: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Last day, in UTC.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Maximum hits, the newest first.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Search all sealed messages: `convolake search "refund order*"`. The first search makes the index."""
    from convolake.search_index import FILE, EmptySearchError, Scope, SearchIndex, day_start
    from ingest.manifest import ManifestError

    settings = Settings()
    scope = Scope(
        participant,
        role,
        channel,
        None if first_on is None else day_start(first_on.date()),
        None if last_on is None else day_start(last_on.date() + timedelta(days=1)),
    )
    with report_errors(EmptySearchError, ManifestError, OSError):
        settings.data.mkdir(parents=True, exist_ok=True)
        index = SearchIndex(settings.data / FILE)
        with progress_bar("indexing new events") as progress:
            index.update(settings.lake_path, progress.advance)
        hits = index.search(words, scope, limit)
    if as_json:
        found = [hit.__dict__ | {"happened_at": hit.happened_at.isoformat()} for hit in hits]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not hits:
        print_line("no message has all these words")
        return
    print_table(
        f"{len(hits)} messages, the newest first",
        ("conversation", "sequence", "time (UTC)", "who", "text"),
        [
            (
                hit.conversation_id,
                str(hit.sequence),
                f"{hit.happened_at:%Y-%m-%d %H:%M}",
                hit.participant_role or "",
                " ".join(hit.excerpt.split()),
            )
            for hit in hits
        ],
    )
