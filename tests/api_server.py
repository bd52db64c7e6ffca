"""The API behind a real socket, in this process, and how tests wait for what it does."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from ingest.api.server import ApiServer, uvicorn_config
from ingest.settings import Settings
from tests.factories import Clock


@contextmanager
def run_server(app: Any, port: int = 0) -> Iterator[str]:
    """The URL of an ASGI application that serves until the block ends."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        config = uvicorn_config(app, lifespan="on")
        server = ApiServer(config, getattr(app, "stop_waiting", lambda: None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


WRITER = "CONVOLAKE_WRITER"
"""Environment variable: where the APIs of tests have their writer; a thread if it is unset."""


def environment_of_an_installation() -> dict[str, str]:
    """Return the environment for processes that run as they are installed."""
    return {name: value for name, value in os.environ.items() if name != WRITER}


WAIT = 20.0
"""Maximum time that a test waits: 20 s."""


class Installation:
    """An API on a socket, and its key."""

    def __init__(self, url: str, key: str, settings: Settings, clock: Clock) -> None:
        self.url = url
        self.key = key
        self.settings = settings
        self.clock = clock
        self.http = httpx2.Client(base_url=url, headers={"authorization": f"Bearer {key}"})

    @property
    def environment(self) -> dict[str, str]:
        """Settings of clients that are in other processes."""
        return {"CONVOLAKE_API_URL": self.url, "CONVOLAKE_API_KEY": self.key}

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        return self.http.post(path, json=body, headers=headers, timeout=WAIT)

    def post_events(self, events: list[dict[str, Any]]) -> None:
        answer = self.post("/v1/events", events)
        assert answer.status_code == 200, answer.text

    def token(self, *conversation_ids: str, **over: Any) -> str:
        body = {"participant_id": "ada", "conversation_ids": list(conversation_ids)} | over
        answer = self.post("/v1/tokens", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def listen(
        self,
        path: str = "/v1/conversations/c1/live",
        token: str | None = None,
        origin: Any = None,
        **more: Any,
    ) -> ClientConnection:
        protocols: Any = ["convolake.v1"] + ([f"token.{token}"] if token else [])
        headers = {} if token else {"authorization": f"Bearer {self.key}"}
        socket: ClientConnection = connect(
            self.url.replace("http", "ws") + path,
            subprotocols=protocols,
            additional_headers=headers,
            origin=origin,
            compression=None,
            open_timeout=WAIT,
            legacy=True,
            **more,
        )
        return socket


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return when `condition` holds; fail the test if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(0.05)
