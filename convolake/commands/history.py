"""`import`, `simulate`: what fills the log, through the API."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolake.screen import complaining, progress, say
from ingest.clock import wall_clock
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.client import Client
    from ingest.importers.star import StarError

app = typer.Typer()
imports = typer.Typer(
    help="Bring in another system's history; safe to repeat.", no_args_is_help=True
)
app.add_typer(imports, name="import")


class MissingKeyError(Exception):
    """A remote API was named, but no key for it."""


def client(settings: Settings) -> "Client":
    """A client of this installation's API. Raises MissingKeyError."""
    from ingest.auth.api_keys import get_or_create_local_key
    from ingest.client import Client

    # The local key opens the local log: no other machine is to see it.
    is_local = settings.url.rstrip("/") == settings.local_url
    if settings.api_key is None and not is_local:
        raise MissingKeyError(
            f"set CONVOLAKE_API_KEY to a key of {settings.api_url} (`convolake keys create` there)"
        )
    return Client(settings.url, get_or_create_local_key(settings, wall_clock()))


@imports.command("star")
def import_star(
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="dialogues, .jsonl or .jsonl.gz")
    ],
) -> None:
    """Import STAR dialogues through the API. Run it again at any time: nothing is doubled."""
    from ingest.client import ClientError
    from ingest.importers import star

    settings = Settings()
    with complaining(ClientError, MissingKeyError, star.StarError), client(settings) as api:
        damage: list[star.StarError] = []
        try:
            _record(api, _whole_dialogues(path, damage), f"importing {path.name}")
        finally:
            if damage:
                raise damage[0]


def _whole_dialogues(path: Path, damage: list["StarError"]) -> Iterator[dict[str, Any]]:
    """Events of all dialogues before the first bad one, which goes into `damage`.

    Raised here, it would take along the batch that was not sent yet.
    """
    from ingest.importers import star

    try:
        for dialogue in star.dialogues(path):
            yield from list(star.events(dialogue))
    except star.StarError as error:
        damage.append(error)


def _record(api: "Client", events: Iterable[dict[str, Any]], title: str) -> None:
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with progress(title) as bar:
        for result in api.record(events):
            counts.update(
                {
                    name: getattr(result, name)
                    for name in ("accepted", "duplicate", "parked", "conflict", "rejected")
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


class StoryName(StrEnum):
    """What can be played."""

    omnichannel = "omnichannel"


def _play() -> None:
    """WhatsApp, bot, person and email in one conversation, against an API that runs."""
    import httpx2

    from convolake.stories.omnichannel import Story, StoryError
    from ingest.client import ClientError
    from ingest.clock import new_uuid7

    settings = Settings()
    with complaining(ClientError, MissingKeyError, StoryError), client(settings) as api:
        say(f"waiting for the API at {settings.url} …")
        api.wait_until_ready()
        with httpx2.Client(base_url=api.url, headers=api.headers) as http:
            played = Story(http, f"order-{new_uuid7()}", lambda: None, say).play()
    say(f"it is conversation {played}")


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=0, max=730, help="Days of history.")] = 0,
    live: Annotated[bool, typer.Option(help="Then keep a live trickle, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same conversations.")] = 1,
    story: Annotated[
        StoryName | None, typer.Option(help="Play one conversation, step by step, instead.")
    ] = None,
) -> None:
    """Put believable support conversations on the record, through the API."""
    from convolake.simulate import simulate_history, simulate_live
    from ingest.client import ClientError

    if story is not None:
        _play()
        return
    if not days and not live:
        say("say what to simulate: --days 60 for history, --live for a trickle, or both", "red")
        raise typer.Exit(2)
    settings = Settings()
    with complaining(ClientError, MissingKeyError), client(settings) as api:
        say(f"waiting for the API at {settings.url} …")
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
