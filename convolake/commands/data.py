"""`import`, `simulate`, `load`: what fills the log and the warehouse."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import typer
from rich.table import Table

from convolake.screen import complaining, progress, say, screen
from convolake.simulate import simulate_history, simulate_live
from ingest.api.app import wall_clock
from ingest.api.keys import local_key
from ingest.client import Client, ClientError
from ingest.importers import star
from ingest.lake.sealer import LakeBehindError, catch_up
from ingest.settings import Settings
from pipelines.home import run_once

app = typer.Typer()
imports = typer.Typer(
    help="Bring in another system's history; safe to repeat.", no_args_is_help=True
)
app.add_typer(imports, name="import")


class MissingKeyError(Exception):
    """A remote API was named, but no key for it."""


def client(settings: Settings) -> Client:
    """A client of this installation's API. Raises MissingKeyError."""
    if (
        settings.api_url is not None
        and settings.api_key is None
        and not settings.store_path.exists()
    ):
        raise MissingKeyError(
            f"set CONVOLAKE_API_KEY to a key of {settings.api_url} (`convolake keys create` there)"
        )
    return Client(settings.url, local_key(settings, wall_clock()))


@imports.command("star")
def import_star(
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="dialogues, .jsonl or .jsonl.gz")
    ],
) -> None:
    """Import STAR dialogues through the API. Run it again at any time: nothing is doubled."""
    settings = Settings()
    with complaining(ClientError, MissingKeyError, star.StarError), client(settings) as api:
        dialogues = list(star.dialogues(path))
        events = (event for dialogue in dialogues for event in star.events(dialogue))
        _record(api, events, f"importing {len(dialogues):,} dialogues")


def _record(api: Client, events: Iterable[dict[str, Any]], title: str) -> None:
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with progress(title) as bar:
        for result in api.record(events):
            counts.update(
                {
                    name: getattr(result, name)
                    for name in ("accepted", "duplicate", "conflict", "rejected")
                }
            )
            reasons.update(
                f"{each.error.code}: {each.error.detail}" for each in result.results if each.error
            )
            bar.advance(len(result.results))
    say(
        ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        or "nothing to import"
    )
    for reason, count in reasons.most_common(5):
        say(f"  {count:,} × {reason}", style="red")
    if reasons:
        raise typer.Exit(1)


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=0, max=730, help="Days of history.")] = 0,
    live: Annotated[bool, typer.Option(help="Then keep a live trickle, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same conversations.")] = 1,
) -> None:
    """Put believable support conversations on the record, through the API."""
    settings = Settings()
    with complaining(ClientError, MissingKeyError), client(settings) as api:
        api.wait_until_ready()
        if days:
            with progress(f"simulating {days} days") as bar:
                tally = simulate_history(
                    api, seed=seed, days=days, now=datetime.now(UTC), on_progress=bar.advance
                )
            if tally.refused:
                say(f"{tally.refused:,} simulated events were refused", "red")
                raise typer.Exit(1)
        if live:
            say("live conversations until Ctrl-C")
            simulate_live(
                api,
                seed=seed,
                clock=lambda: datetime.now(UTC),
                wait=time.sleep,
                stop=threading.Event(),
            )


@app.command()
def load() -> None:
    """Load all that the log holds into the warehouse: the job that Dagster runs, once, here."""
    settings = Settings()
    with complaining(LakeBehindError):
        with progress("sealing what the log holds"):
            catch_up(settings)
        with progress("loading"):
            result = run_once(settings)
        if not result.success:
            for event in result.get_step_failure_events():
                say(str(event.step_failure_data.error_display_string), style="red")
            raise typer.Exit(1)
    _show(result)


def _show(result: dg.ExecuteInProcessResult) -> None:
    table = Table("model", "rows written")
    quarantined = 0
    for event in result.get_asset_materialization_events():
        values = {name: value.value for name, value in event.materialization.metadata.items()}
        table.add_row(
            event.materialization.asset_key.to_user_string(), f"{values['rows_written']:,}"
        )
        quarantined = int(str(values["quarantined_segments"]))
    screen.print(table)
    if quarantined:
        say(
            f"{quarantined} segments are damaged and left out; `convolake verify` names them",
            style="red",
        )
        raise typer.Exit(1)
