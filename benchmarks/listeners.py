"""Ten thousand listeners in one process: cheap sockets, and messages for them.

Raw frames, for the same reason as in `generator`. A message's text is the instant at which this process
sent it, so that each listener knows the latency.
"""

import asyncio
import re
import subprocess
import sys
import time

import msgspec
import uvloop

from benchmarks.servers import HOST, REPOSITORY, Server
from tests.raw_socket import Socket

OPENING = 200
"""So many handshakes are under way at once."""

SENT_AT = re.compile(rb'"text":"([0-9]+)"')


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """Who listens to what, and how many messages a second are posted for how long."""

    port: int
    key: str
    conversations: list[str]
    sockets: int
    rate: int = 0
    seconds: float = 0.0
    until_sequence: int = 0
    """Listen to the first conversation until this sequence instead, with one socket."""


class Heard(msgspec.Struct, kw_only=True):
    """The results; `dropped` counts the sockets that the server closed."""

    opened_in: float = 0.0
    dropped: int = 0
    events: int = 0
    expected: int = 0
    out_of_order: int = 0
    waits: list[float] = []
    caught_up_in: float = 0.0


class ListeningFailedError(RuntimeError):
    """The listeners' process did not end well."""


def listen(server: Server, plan: Plan) -> Heard:
    """Run the listeners in a process of their own. Raises ListeningFailedError."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.listeners"],
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise ListeningFailedError("see the lines above")
    return msgspec.json.decode(done.stdout, type=Heard)


class Listener(Socket):
    """One who listens; reads the text and the sequence of what is told."""

    def __init__(self, plan: Plan, heard: Heard, conversation_id: str) -> None:
        """`heard` is shared by all."""
        path = f"/v1/conversations/{conversation_id}/live"
        super().__init__(f"{HOST}:{plan.port}", path, plan.key)
        self.is_live = asyncio.get_running_loop().create_future()
        self.sequence = 0
        self._heard = heard

    def receive(self, frame: bytes) -> None:
        """Note an event, and when it is level with the log."""
        if frame.startswith(b'{"type":"event"'):
            self._hear(frame)
        elif frame.startswith(b'{"type":"live"') and not self.is_live.done():
            self.is_live.set_result(None)

    def rejected(self, answer: bytes) -> None:
        """Ignore rejected handshakes: there are none here."""
        if not self.is_live.done():
            self.is_live.set_exception(ListeningFailedError(repr(answer[:400])))

    def _hear(self, body: bytes) -> None:
        self.sequence += 1
        if b'"sequence":%d,' % self.sequence not in body:
            self._heard.out_of_order += 1
        found = SENT_AT.search(body)
        if found is not None:
            self._heard.events += 1
            self._heard.waits.append(time.perf_counter() - int(found.group(1)) / 1e9)

    def lost(self, exc: Exception | None) -> None:
        """Count it, unless it is over."""
        self._heard.dropped += 1
        if not self.is_live.done():
            self.is_live.set_exception(ListeningFailedError(f"a socket was closed: {exc}"))


async def run(plan: Plan) -> Heard:
    """Open all, post, and wait until all was heard."""
    heard = Heard()
    loop = asyncio.get_running_loop()
    turns = asyncio.Semaphore(OPENING)
    started = time.perf_counter()

    async def open_one(number: int) -> Listener:
        async with turns:
            conversation_id = plan.conversations[number % len(plan.conversations)]
            _, listener = await loop.create_connection(
                lambda: Listener(plan, heard, conversation_id), HOST, plan.port
            )
            await listener.is_live
            return listener

    listeners = await asyncio.gather(*(open_one(number) for number in range(plan.sockets)))
    heard.opened_in = time.perf_counter() - started
    while listeners[0].sequence < plan.until_sequence:
        await asyncio.sleep(0.01)
    heard.caught_up_in = time.perf_counter() - started
    if plan.rate:
        await _post(plan, heard)
    kept = msgspec.structs.replace(heard)  # what is closed from here on, we close
    for listener in listeners:
        listener.transport.abort()
    return kept


async def _post(plan: Plan, heard: Heard) -> None:
    """Post at the rate, then wait until everybody has heard it."""
    reader, writer = await asyncio.open_connection(HOST, plan.port)
    count = int(plan.rate * plan.seconds)
    heard.expected = sum(
        len(range(number % len(plan.conversations), plan.sockets, len(plan.conversations)))
        for number in range(count)
    )
    answers = asyncio.create_task(_read(reader))
    started = time.perf_counter()
    for number in range(count):
        pause = started + number / plan.rate - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        body = b'{"participant_id":"ada","text":"%d"}' % time.perf_counter_ns()
        path = f"/v1/conversations/{plan.conversations[number % len(plan.conversations)]}/messages"
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {plan.key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    deadline = time.perf_counter() + 30
    while heard.events < heard.expected and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    writer.close()
    answers.cancel()


async def _read(reader: asyncio.StreamReader) -> None:
    """Ignore the responses; the sockets show everything."""
    while await reader.read(65536):
        pass


if __name__ == "__main__":
    found = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)))
    sys.stdout.buffer.write(msgspec.json.encode(found))
