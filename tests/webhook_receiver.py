"""A receiver of webhooks on loopback that does what a test tells it to."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from convolake.loopback_server import Reply, Request, serve


class Delivery(NamedTuple):
    """A received request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = msgspec.json.decode(self.body)["data"]
        return event


class Receiver:
    """Answers what `answer` says (a status; headers with it; or a body) and keeps what it took.

    None: it took the request, and its answer is lost.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Callable[[Delivery], int | bytes | tuple[int, dict[str, str]] | None] = (
            lambda _: 200
        )
        self.attempts: list[Delivery] = []
        self.accepted: list[Delivery] = []

    def take(self, delivery: Delivery) -> Reply | None:
        self.attempts.append(delivery)
        answer = self.answer(delivery)
        if answer is None:
            self.accepted.append(delivery)
            return None
        body = answer if isinstance(answer, bytes) else b""
        answer = 200 if isinstance(answer, bytes) else answer
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if 200 <= status < 300:
            self.accepted.append(delivery)
        return Reply(status, body, headers)

    @property
    def ids(self) -> set[str]:
        return {each.id for each in self.accepted}

    def sequences(self, conversation_id: str) -> list[int]:
        events = [each.event for each in self.accepted]
        return [each["sequence"] for each in events if each["conversation_id"] == conversation_id]


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""

    def answer(request: Request) -> Reply | None:
        return receiver.take(Delivery(request.headers, request.body))

    with serve(answer) as url:
        receiver = Receiver(f"{url}/hook")
        yield receiver


class Hostile(socketserver.BaseRequestHandler):
    """Takes a request and does `behave` with its socket."""

    behave: Callable[[Any], None]

    def handle(self) -> None:
        self.request.recv(65536)
        type(self).behave(self.request)


@contextmanager
def hostile(behave: Callable[[Any], None]) -> Iterator[tuple[str, list[int]]]:
    """The URL of a receiver that behaves so, and how many connections it got."""
    connections: list[int] = []

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def process_request(self, request: Any, address: Any) -> None:
            connections.append(1)
            super().process_request(request, address)

        def handle_error(self, *_: object) -> None:
            """It is hostile; so are we."""

    kind = type("Behaving", (Hostile,), {"behave": staticmethod(behave)})
    with Server(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook", connections
        finally:
            server.shutdown()
            thread.join()
