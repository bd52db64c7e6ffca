"""A load generator that costs little: HTTP/1.1 over raw sockets, requests made beforehand.

Machines have few cores, and what the client takes the server does not have. So this reads of
an answer only its status and its length, in a process of its own (`drive` starts it).
"""

import asyncio
import gc
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Literal, cast

import msgspec
import uuid_utils
import uvloop

from benchmarks.servers import HOST, REPOSITORY, Server
from benchmarks.synthetic import conversation_ids, messages
from ingest.channels.standard_webhook import signature as standard_webhook_signature

EVENTS_PER_BATCH = 1_000
CALLERS = 100
"""People who write to a channel account."""

Kind = Literal["message", "batch", "page", "call"]


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """What to send. It ends after `seconds`, or when `requests` were sent."""

    kind: Kind
    port: int
    key: str
    connections: int
    requests: int
    seconds: float
    warm_up: float = 0.0
    first: int = 0
    """Number of the first message of the first batch (`synthetic.messages`)."""
    paths: list[str] = []
    """What the pages' requests ask for, one each."""
    secret: str = ""
    """Signs the calls of a provider."""


class Outcome(msgspec.Struct, kw_only=True, frozen=True):
    """The results; `acknowledged` counts requests from the start, `rate` after the warm-up."""

    acknowledged: int
    rate: float
    p50_ms: float
    p99_ms: float


class LoadFailedError(RuntimeError):
    """An answer was not the one that every request must get, or a connection broke."""


EXPECTED = {"message": 201, "batch": 200, "page": 200, "call": 200}


def drive(
    server: Server,
    kind: Kind,
    connections: int,
    *,
    requests: int,
    seconds: float,
    warm_up: float = 0.0,
    first: int = 0,
    paths: list[str] | None = None,
    secret: str = "",
) -> Outcome:
    """Send load to `server` from a new process. Raises LoadFailedError if any request failed."""
    plan = Plan(
        kind=kind,
        port=server.port,
        key=server.key,
        connections=connections,
        requests=requests,
        seconds=seconds,
        warm_up=warm_up,
        first=first,
        paths=paths or [],
        secret=secret,
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.generator"],
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode != 0:
        raise LoadFailedError(f"{kind} at {connections} connections: see the lines above")
    return msgspec.json.decode(done.stdout, type=Outcome)


def _requests(plan: Plan) -> Iterator[bytes]:
    if plan.kind == "batch":
        encoder = msgspec.json.Encoder()
        for number in range(plan.requests):
            events = messages(plan.first + number * EVENTS_PER_BATCH, EVENTS_PER_BATCH)
            body = encoder.encode_lines(events)
            yield _request(plan, "/v1/events", "application/x-ndjson", body)
        return
    if plan.kind == "page":
        yield from (_request(plan, path) for path in plan.paths)
        return
    if plan.kind == "call":
        yield from _calls(plan)
        return
    ids = conversation_ids()
    texts = [event["text"] for event in messages(0, 1_000)]
    for number in range(plan.requests):
        # 7,919 is prime to the 1,000: texts and conversations meet in ever other pairs.
        text, conversation = texts[number * 7_919 % 1_000], ids[number % len(ids)]
        message = f'{{"participant_id":"ada","event_id":"{uuid_utils.uuid7()}","text":"{text}"}}'
        path = f"/v1/conversations/{conversation}/messages"
        yield _request(plan, path, "application/json", message.encode())


def _calls(plan: Plan) -> Iterator[bytes]:
    """Yield calls of a provider with one new message each. The first call of each person creates much more."""
    now = int(time.time())
    for _ in range(plan.requests):
        name = str(uuid_utils.uuid7())
        item = {
            "type": "message",
            "id": name,
            "from": {"id": f"person-{int(name[-6:], 16) % CALLERS}"},
            "text": "Where is my order?",
        }
        body = msgspec.json.encode({"items": [item]})
        signed = standard_webhook_signature.sign(name, now, body, plan.secret)
        headers = "".join(f"{name}: {value}\r\n" for name, value in dict(signed).items())
        yield _request(plan, f"/channels/{plan.paths[0]}", "application/json", body, headers)


def _request(
    plan: Plan, path: str, content: str = "", body: bytes = b"", headers: str = ""
) -> bytes:
    head = (
        f"{'POST' if content else 'GET'} {path} HTTP/1.1\r\nHost: {HOST}:{plan.port}\r\n"
        f"Authorization: Bearer {plan.key}\r\n"
    )
    if content:
        head += f"Content-Type: {content}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


class Run:
    """The state that all connections of one run share."""

    def __init__(self, plan: Plan) -> None:
        """Make all requests."""
        self.plan = plan
        self.left = list(_requests(plan))
        self.left.reverse()
        self.expected = str(EXPECTED[plan.kind]).encode()
        self.statuses: Counter[bytes] = Counter()
        self.waits: list[float] = []
        self.failure: str | None = None
        self.open = plan.connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.measure_from = time.perf_counter() + plan.warm_up
        self.until = time.perf_counter() + plan.seconds
        self.ended = 0.0

    def next(self) -> bytes | None:
        """Return the next request; None once the run is over."""
        if time.perf_counter() >= self.until or self.failure or not self.left:
            return None
        return self.left.pop()

    def answered(self, status: bytes, sent_at: float, head: bytes) -> None:
        """Note one answer."""
        now = time.perf_counter()
        self.statuses[status] += 1
        if status != self.expected:
            self.failure = f"an answer was not {self.expected.decode()}: {head[:400]!r}"
        # What was begun before the end counts, however long it took: the server did the work.
        if now >= self.measure_from:
            self.waits.append(now - sent_at)
            self.ended = now

    def closed(self) -> None:
        """Note that one connection is gone; the last one ends the run."""
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    def __init__(self, run: Run) -> None:
        """Send what `run` has, until it has no more."""
        self._run = run
        self._buffer = b""
        self._missing = 0
        self._status = b""
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        request = self._run.next()
        if request is None:
            self._transport.close()
            return
        self._waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; send the next request when it is whole."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._buffer += data
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._buffer.lower().find(b"content-length: ", 0, head)
            length = int(self._buffer[at + 16 : self._buffer.find(b"\r", at)])
            self._missing = head + 4 + length - len(self._buffer)
        if self._missing == 0:
            self._waiting = False
            self._run.answered(self._buffer[9:12], self._sent_at, self._buffer)
            self._buffer = b""
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; it is a failure in the middle of an answer."""
        if self._waiting:
            self._run.failure = f"a connection broke: {exc!r}"
        self._run.closed()


async def _run(plan: Plan) -> Run:
    run = Run(plan)
    loop = asyncio.get_running_loop()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: Connection(run), HOST, plan.port)
    await run.done
    return run


def main() -> None:
    """Run the plan on standard input and print its outcome; exit 1 if any request failed."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    gc.disable()
    run = uvloop.run(_run(plan))
    if run.failure or not run.waits:
        print(run.failure or "nothing was answered", dict(run.statuses), file=sys.stderr)
        sys.exit(1)
    waits = sorted(run.waits)
    outcome = Outcome(
        acknowledged=run.statuses[run.expected],
        rate=len(waits) / (run.ended - run.measure_from),
        p50_ms=waits[len(waits) // 2] * 1000,
        p99_ms=waits[len(waits) * 99 // 100] * 1000,
    )
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
