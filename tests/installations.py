"""An installation of a test's own: the API on a socket, over a new data folder, with a clock that is set."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.factories import Clock, create_store


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Yield the API over `folder`, which is new."""
    settings, clock = Settings(data=folder / "data"), Clock()
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock))) as url:
        running = Installation(url, key, settings, clock)
        with running.http:
            yield running
