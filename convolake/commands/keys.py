"""`keys`: creates, lists and revokes API keys."""

from datetime import datetime
from typing import Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.auth.api_keys import (
    DEFAULT_SCOPES,
    Grant,
    InvalidSourceError,
    UnknownScopeError,
    create_key,
    list_keys,
    revoke_key,
)
from ingest.auth.permissions import SCOPES
from ingest.clock import wall_clock
from ingest.contract import from_micros
from ingest.log.storage.engine import migrate, open_engine
from ingest.settings import Settings

DAY = 86_400_000_000

app = typer.Typer(help="API keys: who may write, and under which name.", no_args_is_help=True)


@app.command()
def create(
    source: str,
    scope: Annotated[
        list[str], typer.Option(help="What it may do; again for each. `keys scopes` lists them.")
    ] = sorted(DEFAULT_SCOPES),  # noqa: B008 - typer shows it, and no code changes it
    channel: Annotated[
        list[str], typer.Option(help="The only channels it is for; again for each.")
    ] = [],  # noqa: B006 - as above
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
) -> None:
    """Create a key that writes as SOURCE and print it, this once. Two keys may share a source."""
    settings = Settings()
    migrate(settings.database_url)
    now = wall_clock()
    ends = None if days is None else now + days * DAY
    grant = Grant(frozenset(scope), frozenset(channel), ends)
    with report_errors(InvalidSourceError, UnknownScopeError):
        typer.echo(create_key(open_engine(settings.database_url), source, now, grant))
    print_line("Keep it now; only a hash of it stays here.")


@app.command("list")
def list_() -> None:
    """List keys by id, source, scopes and age; never the keys themselves."""
    settings = Settings()
    migrate(settings.database_url)
    for key in list_keys(open_engine(settings.database_url)):
        words = [
            key.key_id,
            key.source,
            key.scopes.replace(" ", ","),
            f"made {_date(key.created_at)}",
        ]
        words += [f"only {key.channels.replace(' ', ',')}"] if key.channels else []
        words += [f"ends {_date(key.expires_at)}"] if key.expires_at is not None else []
        words += [f"used {_date(key.last_used_at)}"] if key.last_used_at is not None else []
        words += [f"revoked {_date(key.revoked_at)}"] if key.revoked_at is not None else []
        typer.echo("  ".join(words))


@app.command()
def scopes() -> None:
    """List the scopes that a key can have."""
    for name, meaning in SCOPES.items():
        typer.echo(f"{name:20}{meaning}")


@app.command()
def revoke(key_id: str) -> None:
    """Revoke a key by its id (`keys list`); a running API rejects it within five seconds."""
    settings = Settings()
    migrate(settings.database_url)
    if not revoke_key(open_engine(settings.database_url), key_id, wall_clock()):
        print_line(
            "there is no key in force with this id; `convolake keys list` shows all", style="red"
        )
        raise typer.Exit(1)
    print_line("revoked")


def _date(micros: int) -> str:
    return f"{datetime.date(from_micros(micros))}"
