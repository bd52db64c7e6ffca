"""The provider's side of sends: an HTTP server on loopback that takes the bot's answers."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec.structs import replace

from convolake.loopback_server import Reply, Request, serve
from convolake.simulation.providers.base import Provider, Taken
from ingest.clock import Clock


class StandIn:
    """Takes sends, and gives each the id that the simulation foresees for it.

    `keys`: the answer by its text. `ids`: the provider's id by the answer. `on_send` is called before the
    provider answers, so that it can report a status first.
    """

    def __init__(
        self, provider: Provider, keys: Mapping[str, str], ids: Mapping[str, str], clock: Clock
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._keys = keys
        self._ids = ids
        self._lock = threading.Lock()
        self.on_send: Callable[[str], object] = lambda _: None
        self.sends: dict[str, Taken] = {}
        self.counts = Counter[str]()
        self.unplanned: list[str] = []

    def take(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the provider's answer."""
        try:
            send = self._provider.read_send(path, body)
            key = self._keys[send.text]
        except (ValueError, KeyError):
            with self._lock:
                self.unplanned.append(f"{path}: {body.decode(errors='replace')}")
            return 400, b"{}"
        with self._lock:
            self.counts[key] += 1
            self.sends[key] = replace(send, at=self._clock())
        self.on_send(key)
        return 200, self._provider.send_answer(send, self._ids[key])


@contextmanager
def listen(stand_in: StandIn) -> Iterator[str]:
    """Listen until the block ends; yield the URL."""

    def answer(request: Request) -> Reply:
        if request.method != "POST":  # names of people are looked up, and not known
            return Reply(404)
        status, body = stand_in.take(request.path, request.body)
        return Reply(status, body, {"content-type": "application/json"})

    with serve(answer) as url:
        yield url
