"""`replay`: sends recorded calls of a provider to the running API."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.accounts.registry import ChannelAccount

app = typer.Typer()


@app.command()
def replay(
    provider: str,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders of files.")],
    account: Annotated[
        str | None, typer.Option(help="The channel account; the provider's only one if left out.")
    ] = None,
) -> None:
    """Send recorded calls, signed as the provider signs them, and print the outcome of each, and a total.

    The account's secrets come from the store, so this runs where the API runs.
    """
    from convolake.api_client import MissingKeyError, open_client
    from convolake.call_sender import CallSender
    from ingest.client import ClientError

    settings = Settings()
    stored = _account(settings, provider, account)
    with report_errors(ClientError, MissingKeyError, ValueError), open_client(settings) as api:
        sender = CallSender(settings, stored, api)
        total = Counter[str]()
        for path in paths:
            for name, outcome in sender.send(path):
                typer.echo(f"{name}: {outcome.text}")
                total[outcome.kind] += 1
    typer.echo(
        f"{total.total():,} calls: "
        + ", ".join(f"{count:,} {kind}" for kind, count in sorted(total.items()))
    )


def _account(settings: Settings, provider: str, account_id: str | None) -> "ChannelAccount":
    from ingest.accounts.registry import list_accounts
    from ingest.log.storage.engine import migrate, open_engine

    migrate(settings.database_url)
    engine = open_engine(settings.database_url, read_only=True)
    found = [
        each
        for each in list_accounts(engine)
        if each.provider == provider and account_id in (None, each.account_id)
    ]
    engine.dispose()
    if len(found) != 1:
        print_line(
            f"{len(found)} accounts of {provider} fit; `convolake channels list` shows them, "
            "--account names one",
            "red",
        )
        raise typer.Exit(2)
    return found[0]
