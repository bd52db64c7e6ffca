"""`keys`: creates, lists and revokes API keys."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.auth.permissions import DEFAULT_SCOPES, SCOPES
from ingest.clock import wall_clock
from ingest.contract import from_micros
from ingest.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

DAY = 86_400_000_000

app = typer.Typer(help="API keys: who may write, and under which name.", no_args_is_help=True)


@app.command()
def create(
    source: str,
    scope: Annotated[
        list[str],
        typer.Option(help="A scope; repeat the option for more. `keys scopes` lists them."),
    ] = sorted(DEFAULT_SCOPES),  # noqa: B008 - typer shows it, and no code changes it
    channel: Annotated[
        list[str], typer.Option(help="Restrict it to a channel; repeat the option for more.")
    ] = [],  # noqa: B006 - as above
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
) -> None:
    """Create a key that writes as SOURCE and print it, this once. Two keys may share a source."""
    from ingest.auth.api_keys import Grant, InvalidSourceError, UnknownScopeError, create_key

    engine, now = _open_engine(), wall_clock()
    ends = None if days is None else now + days * DAY
    grant = Grant(frozenset(scope), frozenset(channel), ends)
    with report_errors(InvalidSourceError, UnknownScopeError):
        typer.echo(create_key(engine, source, now, grant))
    print_line("Save it now; only a hash of it is stored.")


@app.command("list")
def list_() -> None:
    """List keys by id, source, scopes and age; never the keys themselves."""
    from ingest.auth.api_keys import list_keys

    for key in list_keys(_open_engine()):
        words = [
            key.key_id,
            key.source,
            key.scopes.replace(" ", ","),
            f"created {_date(key.created_at)}",
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
    from ingest.auth.api_keys import revoke_key

    if not revoke_key(_open_engine(), key_id, wall_clock()):
        print_line("no valid key has this id; `convolake keys list` shows all", style="red")
        raise typer.Exit(1)
    print_line("revoked")


def _open_engine() -> "Engine":
    from ingest.log.storage.engine import migrate, open_engine

    settings = Settings()
    migrate(settings.database_url)
    return open_engine(settings.database_url)


def _date(micros: int) -> str:
    return f"{datetime.date(from_micros(micros))}"
