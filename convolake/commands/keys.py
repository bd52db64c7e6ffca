"""`keys`: make, list and revoke API keys."""

from datetime import datetime

import typer

from convolake.screen import complaining, say
from ingest.api.keys import InvalidSourceError, create_key, list_keys, revoke_key
from ingest.contract import from_micros
from ingest.log.store import migrate, open_engine
from ingest.settings import Settings
from ingest.stamps import wall_clock

app = typer.Typer(help="API keys: who may write, and under which name.", no_args_is_help=True)


@app.command()
def create(source: str) -> None:
    """Make a key that writes as SOURCE and print it, this once. Two keys may share a source."""
    settings = Settings()
    migrate(settings.database_url)
    with complaining(InvalidSourceError):
        typer.echo(create_key(open_engine(settings.database_url), source, wall_clock()))
    say("Keep it now; only a hash of it stays here.")


@app.command("list")
def list_() -> None:
    """List keys by id, source and age; never the keys themselves."""
    settings = Settings()
    migrate(settings.database_url)
    for key_id, source, created_at, revoked_at in list_keys(open_engine(settings.database_url)):
        revoked = f"  revoked {_date(revoked_at)}" if revoked_at is not None else ""
        typer.echo(f"{key_id}  {source}  made {_date(created_at)}{revoked}")


@app.command()
def revoke(key_id: str) -> None:
    """Revoke a key by its id (`keys list`); a running API refuses it within five seconds."""
    settings = Settings()
    migrate(settings.database_url)
    if not revoke_key(open_engine(settings.database_url), key_id, wall_clock()):
        say("there is no key in force with this id; `convolake keys list` shows all", style="red")
        raise typer.Exit(1)
    say("revoked")


def _date(micros: int) -> str:
    return f"{datetime.date(from_micros(micros))}"
