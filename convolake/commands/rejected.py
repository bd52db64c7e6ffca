"""`rejected`: lists and replays rejected events."""

from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.client import Client

app = typer.Typer(help="Rejected events: list and replay them.", no_args_is_help=True)
Code = Annotated[str | None, typer.Option(help="Only those with this error code.")]


@app.command("list")
def list_(
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 20,
) -> None:
    """List rejected events: id, time, source, reason, and their first characters."""
    from convolake.api_client import MissingKeyError, open_client
    from ingest.client import ClientError

    with report_errors(ClientError, MissingKeyError), open_client(Settings()) as api:
        for number, event in enumerate(api.rejected(code)):
            if number == limit:
                print_line(f"more are there; --limit shows them ({limit} now)")
                break
            when = f"{event.received_at:%Y-%m-%d %H:%M:%S}"
            replayed = f"  stored as {event.replayed_event_id}" if event.replayed_at else ""
            place = f" at {event.field}" if event.field else ""
            typer.echo(
                f"{event.rejected_id}  {when}  {event.source}  {event.code}{place}: {event.detail}{replayed}"
            )
            typer.echo(f"    {event.path}  {event.raw[:100]!r}")


@app.command()
def replay(
    rejected_id: Annotated[list[int] | None, typer.Argument(help="Ids, as listed.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that were not replayed yet.")
    ] = False,
    code: Code = None,
) -> None:
    """Replay rejected events by their own routes, as their own sources. Creates no duplicates."""
    from convolake.api_client import MissingKeyError, open_client
    from ingest.client import ClientError

    if not rejected_id and not everything:
        print_line("name ids as `convolake rejected list` shows them, or --all", "red")
        raise typer.Exit(2)
    with report_errors(ClientError, MissingKeyError), open_client(Settings()) as api:
        waiting = [event.rejected_id for event in api.rejected(code) if event.replayed_at is None]
        chosen = rejected_id or sorted(waiting)
        rejected = sum(not _replay(api, each) for each in chosen)
    print_line(f"{len(chosen) - rejected:,} of {len(chosen):,} were stored")
    if rejected:
        raise typer.Exit(1)


def _replay(api: "Client", rejected_id: int) -> bool:
    from ingest.client import ProblemError

    try:
        answer = api.replay(rejected_id)
    except ProblemError as error:
        print_line(f"{rejected_id}: {error}", "red")
        return False
    typer.echo(f"{rejected_id}: {answer.status} as {answer.event_id}")
    return True
