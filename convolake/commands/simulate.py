"""`simulate`: records believable support conversations through the API."""

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.commands.simulation_options import (
    Channel,
    ChannelName,
    Conversations,
    DropReceipts,
    Duplicates,
    HiddenNumbers,
    Keep,
    Reorder,
    SlowBot,
    Url,
    loopback_url,
)
from convolake.console import print_line, progress_bar, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from convolake.simulation.comparison import Result
    from convolake.simulation.plan import Pace, Plan, Size
    from convolake.simulation.providers.base import Provider
    from convolake.simulation.schedule import Faults, Schedule

app = typer.Typer()


class StoryName(StrEnum):
    """The stories that can be played."""

    omnichannel = "omnichannel"


WITH_CHANNEL = (
    *("conversations", "duplicates", "reorder", "drop_receipts", "slow_bot", "hidden_numbers"),
    *("keep", "url"),
)
WITHOUT_CHANNEL = ("days", "live", "story")
"""Options that have a meaning only with --channel, and only without it."""


@app.command()
def simulate(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=0, max=730, help="Days of history.")] = 0,
    live: Annotated[bool, typer.Option(help="Then keep a live trickle, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same conversations.")] = 1,
    story: Annotated[
        StoryName | None, typer.Option(help="Play one conversation, step by step, instead.")
    ] = None,
    channel: Channel = None,
    conversations: Conversations = 40,
    duplicates: Duplicates = 0.0,
    reorder: Reorder = 0.0,
    drop_receipts: DropReceipts = 0.0,
    slow_bot: SlowBot = 5,
    hidden_numbers: HiddenNumbers = 0.0,
    keep: Keep = None,
    url: Url = None,
) -> None:
    """Record believable support conversations through the API.

    With --channel: play customers, provider and bot against an API of its own, with faults, then load, and compare
    the warehouse with what was sent. With --url as well: against an API that is running. Exit 1 if anything differs.
    """
    _check_options(context, channel, url)
    if channel is not None:
        from convolake.simulation.plan import Size
        from convolake.simulation.schedule import Faults

        size = Size(conversations, slow_bot, hidden_numbers)
        faults = Faults(duplicates, reorder, drop_receipts)
        _simulate_channel(channel, seed, size, faults, keep, url)
        return
    if story is not None:
        _play_story()
        return
    if not days and not live:
        print_line("choose --days 60 for history, --live for a trickle, or both", "red")
        raise typer.Exit(2)
    _simulate(days, seed, is_live=live)


def _check_options(context: typer.Context, channel: ChannelName | None, url: str | None) -> None:
    """Raise BadParameter for an option that would change nothing."""
    if channel is None:
        _check_absent(context, WITH_CHANNEL, "with --channel")
    else:
        _check_absent(context, WITHOUT_CHANNEL, "without --channel")
    if url is not None:
        _check_absent(context, ("keep",), "without --url")


def _check_absent(context: typer.Context, names: Iterable[str], where: str) -> None:
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} has a meaning only {where}")


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


def _simulate_channel(
    name: ChannelName,
    seed: int,
    size: "Size",
    faults: "Faults",
    keep: Path | None,
    url: str | None,
) -> None:
    """Play a provider, and print every difference. Exit 1 if there is one."""
    if url is None:
        report_result(_simulate_alone(name, seed, size, faults, keep))
    else:
        report_result(_simulate_running(name, seed, size, faults, loopback_url(url)))


def _simulate_alone(
    name: ChannelName, seed: int, size: "Size", faults: "Faults", keep: Path | None
) -> "Result":
    """Play against an API in a folder of its own."""
    from convolake.simulation.plan import SIMULATED
    from convolake.simulation.run import simulate_channel
    from convolake.simulation.schedule import LATER_SECONDS

    provider, plan, schedule = _prepare(name, seed, size, faults, SIMULATED, LATER_SECONDS)
    with (
        _folder(keep) as folder,
        progress_bar(f"simulating {name}", len(schedule.deliveries)) as bar,
    ):
        return simulate_channel(provider, plan, schedule, folder, bar.advance)


def _simulate_running(
    name: ChannelName, seed: int, size: "Size", faults: "Faults", url: str
) -> "Result":
    """Play against the API at `url`, and compare with its warehouse, if that is in this data folder."""
    import httpx2

    from convolake.api_client import MissingKeyError, open_client
    from convolake.simulation.play import Scene, SimulationError
    from convolake.simulation.running import (
        MAX_CUSTOMERS,
        READY_SECONDS,
        REPEAT_SECONDS,
        pace_of,
        simulate_running,
    )
    from ingest.client import ClientError
    from ingest.clock import wall_clock

    if size.conversations > MAX_CUSTOMERS:
        raise typer.BadParameter(f"--conversations: at most {MAX_CUSTOMERS} with --url")
    settings = Settings(api_url=url)
    errors = ClientError, MissingKeyError, SimulationError, httpx2.HTTPError
    with report_errors(*errors), open_client(settings) as client:
        client.wait_until_ready(READY_SECONDS)
        pace = pace_of(wall_clock(), size.conversations)
        provider, plan, schedule = _prepare(name, seed, size, faults, pace, REPEAT_SECONDS)
        scene = Scene(provider, plan, f"simulated-{pace.first_customer}")
        print_line(f"the channel account is {scene.account_id}; it is removed at the end")
        with progress_bar(f"simulating {name}", len(schedule.deliveries)) as bar:
            return simulate_running(
                client, scene, schedule, settings.warehouse_path, bar.advance, print_line
            )


def _prepare(
    name: ChannelName,
    seed: int,
    size: "Size",
    faults: "Faults",
    pace: "Pace",
    repeat_seconds: Sequence[int],
) -> "tuple[Provider, Plan, Schedule]":
    """Return what is played, and print how much it is. Raises BadParameter."""
    from convolake.simulation.limits import ImpossibleFaultError, check_faults
    from convolake.simulation.plan import make_plan
    from convolake.simulation.providers import PROVIDERS
    from convolake.simulation.report import lines_of_schedule
    from convolake.simulation.schedule import make_schedule

    provider = PROVIDERS[name]
    try:
        check_faults(provider, size, faults)
    except ImpossibleFaultError as error:
        raise typer.BadParameter(str(error)) from error
    plan = make_plan(seed, size, provider, pace)
    schedule = make_schedule(plan, seed, faults, repeat_seconds)
    for line in lines_of_schedule(plan, schedule):
        print_line(line)
    return provider, plan, schedule


def report_result(result: "Result") -> None:
    """Print every difference. Exit 1 if there is one."""
    from convolake.simulation.report import lines_of_result

    for line in lines_of_result(result):
        typer.echo(line)
    if result.differences:
        raise typer.Exit(1)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield the data folder: a new one, which is kept only if it was named."""
    if keep is not None:
        if keep.exists():
            raise typer.BadParameter(f"--keep: {keep} exists already; name a new folder")
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="convolake-") as folder:
        yield Path(folder)
