"""Several APIs over one log, in this process: each has its own event loop, port and caches."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ingest.api.app import create_app
from ingest.api.log_access import WRITER_COMMAND, Seat
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import wall_clock
from ingest.log.process_writer import WriterStart
from ingest.log.storage.engine import is_multi_writer
from ingest.log.writer_host import WriterHost
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.factories import Clock, create_store


@contextmanager
def several_apis(
    settings: Settings, count: int = 3, clock: Callable[[], int] = wall_clock
) -> Iterator[list[Installation]]:
    """Run APIs until the block ends: on SQLite with one writer's process, on PostgreSQL with a writer each."""
    create_store(settings)
    key = get_or_create_local_key(settings, 0)
    with ExitStack() as stack:
        seats: list[Seat | None] = [None] * count
        if not is_multi_writer(settings.database_url):
            host = stack.enter_context(_shared_writer(settings, clock))
            seats = [Seat(number, host.entry) for number in range(1, count + 1)]
        apis = []
        for seat in seats:
            app = FastPathMiddleware(create_app(settings, clock, seat=seat))
            url = stack.enter_context(run_server(app))
            own = clock if isinstance(clock, Clock) else Clock()
            apis.append(Installation(url, key, settings, own))
            stack.enter_context(apis[-1].http)
        for each in apis:
            each.http.get("/readyz")  # it is answered when the API has started
        yield apis


@contextmanager
def _shared_writer(settings: Settings, clock: Callable[[], int]) -> Iterator[WriterHost]:
    """Keep a writer's process that several APIs share, on an event loop of its own."""
    start = WriterStart(settings, 0, has_wall_clock=clock is wall_clock)
    host = WriterHost(start, WRITER_COMMAND, [])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    loop.call_soon_threadsafe(host.start)
    try:
        yield host
    finally:
        asyncio.run_coroutine_threadsafe(host.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
