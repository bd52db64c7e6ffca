"""`up`, `serve`: an installation as one foreground program; `lake`: one of its processes."""

import logging
import os
import signal
import threading
from contextlib import suppress
from typing import Annotated

import typer

from convolake.console import print_line, report_errors
from convolake.supervisor import Service, ServiceFailedError, Supervisor
from ingest.api.api_process import LOG_FORMAT
from ingest.clock import wall_clock
from ingest.settings import Settings

app = typer.Typer()


@app.command()
def up(
    demo: Annotated[
        bool, typer.Option(help="Fill in simulated history, then keep a live trickle.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=730, help="Days of history for --demo.")] = 60,
) -> None:
    """Run everything: API, lake, Dagster, dashboard. Ctrl-C stops all."""
    from convolake.services import AddressError, all_services, demo_services
    from dashboards.serve import SignInError

    if demo:
        os.environ["CONVOLAKE_CHAT"] = "true"
        os.environ["CONVOLAKE_WEBHOOK_NETWORKS"] = '["127.0.0.0/8"]'  # for bots on this machine
    settings = Settings()
    with report_errors(AddressError, SignInError, ServiceFailedError):
        services = all_services(settings)
        _run(settings, services + demo_services(settings, days) if demo else services)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
    lake: Annotated[
        bool, typer.Option(help="--no-lake: the second API of a log in PostgreSQL, and the third.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option(min=1, help="API processes that share the port and the writer.")
    ] = None,
) -> None:
    """Run API and lake. Ctrl-C stops both."""
    from convolake.services import AddressError, log_services

    if port is not None:
        os.environ["CONVOLAKE_PORT"] = str(port)
    if workers is not None:
        os.environ["CONVOLAKE_WORKERS"] = str(workers)
    settings = Settings()
    with report_errors(AddressError, ServiceFailedError):
        _run(settings, log_services(settings, with_lake=lake))


@app.command(hidden=True)
def lake() -> None:
    """Run the lake process."""
    from ingest.lake import sealer

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with report_errors(sealer.LakeLockedError):
        sealer.run(Settings(), stop)


@app.command(hidden=True)
def assistant() -> None:
    """Run the bot of the demo's web chat."""
    from convolake.assistant import serve as answer_all
    from ingest.auth.api_keys import get_or_create_local_key
    from ingest.client import Client

    settings = Settings()
    with (
        suppress(KeyboardInterrupt),
        Client(settings.url, get_or_create_local_key(settings, wall_clock())) as it,
    ):
        answer_all(it, settings.chat_bot)


def _run(settings: Settings, services: list[Service]) -> None:
    from ingest.auth.api_keys import create_first_key, get_or_create_local_key
    from ingest.log.storage.lock import LogLockedError, acquire_log_lock

    with report_errors(LogLockedError):
        # The API checks again. Checked here, the error is one line on the screen.
        acquire_log_lock(settings).close()
    key = create_first_key(settings, wall_clock())
    if key is not None:
        print_line(f"First API key (shown once; `convolake keys create` makes more):\n  {key}\n")
    get_or_create_local_key(settings, wall_clock())  # the dashboard's, and that of commands here
    print_line(f"Data in {settings.data}, logs in {settings.data / 'logs'}. Ctrl-C stops all.")
    with Supervisor(settings.data / "logs", print_line) as supervisor:
        supervisor.run(services)
