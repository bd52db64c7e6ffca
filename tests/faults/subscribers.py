"""Thousands of subscribers that reconnect automatically, and a reader at the same time."""

import asyncio
import random
import resource
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Self

import httpx2
import msgspec
import pytest
import uvloop

from ingest.client import Client
from ingest.client.call import Call
from ingest.client.outcomes import ClientError, UnreachableError, read_answer
from ingest.client.retries import pause_before_retry
from ingest.settings import Settings
from tests.raw_socket import Socket

RETRIES = 6
"""After this number of failed attempts the pauses grow no longer, as in the client."""


def open_files(count: int) -> None:
    """Let this process have so many files open. Skips if the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"needs {count} open files, the hard limit is {hard}: raise `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Target(NamedTuple):
    """The server that a subscriber connects to, and its key."""

    conversation_id: str
    key: str
    """An API key or a token."""
    patience: float
    """Seconds. A subscriber without a socket after this time disconnects and tries again."""


class _Event(msgspec.Struct):
    sequence: int


class _Frame(msgspec.Struct):
    type: str
    event: _Event | None = None


_DECODER = msgspec.json.Decoder(_Frame)

Newest = Callable[[str], Awaitable[int]]


class Listener:
    """A subscriber that never stops; `heard` are the sequences in the order received."""

    def __init__(self, port: int, place: Target, newest: Newest | None) -> None:
        """With `newest` it resumes at that sequence, not after the last one it saw."""
        self.received: list[int] = []
        self.is_live = False
        self.live_at: list[float] = []
        """When it was level with the log, once for each connection."""
        self.failures: Counter[str] = Counter()
        self.place = place
        self._port = port
        self._newest = newest

    async def run(self) -> None:
        """Connect, listen, and connect again, with the pauses that the client makes."""
        attempt = 0
        while True:
            connected = len(self.live_at)
            failure = await self._listen()
            self.failures[_name(failure)] += 1
            attempt = 0 if len(self.live_at) > connected else attempt + 1
            pause = pause_before_retry(failure, min(attempt, RETRIES), random.random())  # noqa: S311
            assert pause is not None, failure
            await asyncio.sleep(pause)

    async def _after(self) -> int:
        if self._newest is not None and self.live_at:
            return await self._newest(self.place.conversation_id)
        return self.received[-1] if self.received else 0

    async def _listen(self) -> ClientError:
        """One connection, until it is lost; why."""
        connection = None
        try:
            async with asyncio.timeout(self.place.patience):
                connection = _Connection(self, self._port, await self._after())
                await connection.open(self._port)
            return await connection.ended
        except ClientError as failure:
            return failure
        except OSError as error:  # a timeout is one
            return UnreachableError("the API", error)
        finally:
            if connection is not None:
                connection.leave()


class _Connection(Socket):
    def __init__(self, listener: Listener, port: int, after: int) -> None:
        path = f"/v1/conversations/{listener.place.conversation_id}/live?after_sequence={after}"
        super().__init__(f"127.0.0.1:{port}", path, listener.place.key)
        self.ended: asyncio.Future[ClientError] = asyncio.get_running_loop().create_future()
        self._answered = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._listener = listener
        self._answer = b""

    async def open(self, port: int) -> None:
        """Reconnect when the server answered. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", port)
        await self._answered.wait()

    def leave(self) -> None:
        """Hear nothing more."""
        if self._transport is not None:
            self._transport.abort()

    def opened(self) -> None:
        self._answered.set()

    def receive(self, frame: bytes) -> None:
        acknowledged = _DECODER.decode(frame)
        if acknowledged.event is not None:
            self._listener.received.append(acknowledged.event.sequence)
        elif acknowledged.type == "live":
            self._listener.is_live = True
            self._listener.live_at.append(time.monotonic())

    def rejected(self, answer: bytes) -> None:
        self._answer = answer
        self._answered.set()

    def lost(self, exc: Exception | None) -> None:
        self._answered.set()
        self._listener.is_live = False
        if not self.ended.done():
            self.ended.set_result(_failure(self._answer, exc))


def _failure(answer: bytes, exc: Exception | None) -> ClientError:
    """Why there is no socket, as the client puts it."""
    if not answer:
        return UnreachableError("the API", exc or EOFError("lost"))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [line.split(": ", 1) for line in lines]
    response = httpx2.Response(
        int(status.split()[1]),
        headers=[(name, value) for name, value in headers],
        content=body,
        request=httpx2.Request("GET", "http://127.0.0.1"),
    )
    try:
        read_answer(Call("GET", "", dict[str, Any]), response)
    except ClientError as failure:
        return failure
    raise AssertionError(answer)


def _name(failure: ClientError) -> str:
    return str(getattr(failure, "status", "unreachable"))


class Subscribers(threading.Thread):
    """All of them, on an event loop of their own, until the block ends."""

    def __init__(self, settings: Settings, places: Sequence[Target], naive: str = "") -> None:
        """`naive`: a key. With it the subscribers read the newest sequence and resume there."""
        super().__init__()
        self._client = Client(settings.url, naive, retries=0) if naive else None
        newest = self._newest if naive else None
        self.all = [Listener(settings.port, place, newest) for place in places]
        self._loop = uvloop.new_event_loop()
        self._over = asyncio.Event()

    async def _newest(self, conversation_id: str) -> int:
        assert self._client is not None
        found = await asyncio.to_thread(self._client.conversation, conversation_id)
        return found.last_sequence

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(60)
        if self._client is not None:
            self._client.close()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        tasks = [asyncio.create_task(each.run()) for each in self.all]
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait([*tasks, over], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    @property
    def live(self) -> int:
        """How many are level with the log."""
        assert self.is_alive(), "a subscriber stopped for good"
        return sum(each.is_live for each in self.all)

    @property
    def failures(self) -> Counter[str]:
        """The response received instead of a socket."""
        return sum((each.failures for each in self.all), Counter())


class Poller(threading.Thread):
    """A client that reads one conversation again and again; notes every response."""

    def __init__(self, settings: Settings, key: str, conversation_id: str) -> None:
        super().__init__()
        self.answers: Counter[str] = Counter()
        self.longest = 0.0
        """Seconds until an answer, at most."""
        self._path = f"/v1/conversations/{conversation_id}"
        self._over = threading.Event()
        self._http = httpx2.Client(
            base_url=settings.url, headers={"authorization": f"Bearer {key}"}, timeout=60
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(60)

    def run(self) -> None:
        with self._http:
            while not self._over.wait(0.1):
                self._ask()

    def _ask(self) -> None:
        start = time.monotonic()
        try:
            status = str(self._http.get(self._path).status_code)
        except httpx2.TransportError as error:
            status = type(error).__name__
        self.answers[status] += 1
        self.longest = max(self.longest, time.monotonic() - start)
