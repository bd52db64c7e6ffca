"""`simulate`: records believable support conversations through the API."""

import threading
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings

app = typer.Typer()


class StoryName(StrEnum):
    """The stories that can be played."""

    omnichannel = "omnichannel"


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=0, max=730, help="Days of history.")] = 0,
    live: Annotated[bool, typer.Option(help="Then keep a live trickle, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same conversations.")] = 1,
    story: Annotated[
        StoryName | None, typer.Option(help="Play one conversation, step by step, instead.")
    ] = None,
) -> None:
    """Record believable support conversations through the API."""
    if story is not None:
        _play_story()
        return
    if not days and not live:
        print_line("choose --days 60 for history, --live for a trickle, or both", "red")
        raise typer.Exit(2)
    _simulate(days, seed, is_live=live)


def _simulate(days: int, seed: int, *, is_live: bool) -> None:
    from convolake.api_client import MissingKeyError, open_client
    from convolake.simulate import simulate_history, simulate_live
    from ingest.client import ClientError

    settings = Settings()
    with report_errors(ClientError, MissingKeyError), open_client(settings) as client:
        print_line(f"waiting for the API at {settings.url} …")
        client.wait_until_ready()
        print_line(f"seed {seed}; `--seed {seed}` makes the same conversations again")
        if days:
            with progress_bar(f"simulating {days} days") as bar:
                counts = simulate_history(
                    client, seed=seed, days=days, now=datetime.now(UTC), on_progress=bar.advance
                )
            if counts.rejected:
                print_line(f"{counts.rejected:,} simulated events were rejected", "red")
                raise typer.Exit(1)
        if is_live:
            print_line("live conversations until Ctrl-C")
            simulate_live(
                client,
                seed=seed,
                clock=lambda: datetime.now(UTC),
                wait=time.sleep,
                stop=threading.Event(),
            )


def _play_story() -> None:
    """Play WhatsApp, bot, agent and email in one conversation, against a running API."""
    import httpx2

    from convolake.api_client import MissingKeyError, open_client
    from convolake.stories.omnichannel import Story, StoryError
    from ingest.client import ClientError
    from ingest.clock import new_uuid7

    settings = Settings()
    with report_errors(ClientError, MissingKeyError, StoryError), open_client(settings) as client:
        print_line(f"waiting for the API at {settings.url} …")
        client.wait_until_ready()
        with httpx2.Client(base_url=client.url, headers=client.headers) as http:
            conversation_id = Story(http, f"order-{new_uuid7()}", lambda: None, print_line).play()
    print_line(f"the conversation is {conversation_id}")
