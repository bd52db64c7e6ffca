"""An installation for one simulation: the API on loopback over a folder of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.api.server import ApiServer, uvicorn_config
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import Clock
from ingest.settings import Settings


@contextmanager
def serve_api(settings: Settings, clock: Clock) -> Iterator[Client]:
    """Serve the API on a free port until the block ends; yield a client with all scopes."""
    settings.data.mkdir(parents=True, exist_ok=True)
    key = get_or_create_local_key(settings, clock())
    app = FastPathMiddleware(create_app(settings, clock))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ApiServer(uvicorn_config(app, lifespan="on"), app.stop_waiting)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{listener.getsockname()[1]}", key) as client:
                client.wait_until_ready()
                yield client
        finally:
            server.should_exit = True
            thread.join()
