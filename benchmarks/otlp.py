"""Spans of OpenTelemetry: batches of 500 calls of models in protobuf, on disk before they are answered.

Then the time until all of them are events: each is a message of a customer, one of a bot, and a call.
"""

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import HOST, Server, api_server

SPANS_PER_BATCH = 500
TURNS = 10
"""Turns of a conversation: each call carries all messages before it."""

CONNECTIONS = 2
BATCHES, QUICK_BATCHES = 40, 4
WAIT_SECONDS = 120.0
GOAL = Goal(5_000)


class SpansLostError(RuntimeError):
    """A span was acknowledged and is not in the log."""


def measure(size: Size, work: Path) -> list[Level]:
    """Return the spans a second until they are on disk, and until they are events."""
    batches = size.count(BATCHES, QUICK_BATCHES)
    stored: list[float] = []
    converted: list[float] = []
    with api_server(work / "otlp", CONVOLAKE_OTLP_SETTLE="PT0S") as server:
        for number in range(size.rounds):
            bodies = [make_batch(number * batches + each) for each in range(batches)]
            seconds = _send_all(server, bodies)
            stored.append(batches * SPANS_PER_BATCH / seconds)
            whole = seconds + _wait(server, (number + 1) * batches * SPANS_PER_BATCH)
            converted.append(batches * SPANS_PER_BATCH / whole)
    name = f"spans of OpenTelemetry in batches of {SPANS_PER_BATCH}, {CONNECTIONS} connections"
    return [
        Level(
            f"{name}, on disk",
            "spans/s",
            stored,
            GOAL,
            ["protobuf, each a call of a model with its chat so far; converted at the same time"],
        ),
        Level(
            f"{name}, as events",
            "spans/s",
            converted,
            Goal(),
            ["until the last message, tool call and call of a model is in the log; none lost"],
        ),
    ]


def make_batch(number: int) -> bytes:
    """Return a request with spans of whole conversations, each call a trace of its own."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _set(group.resource.attributes, {"service.name": "helper", "service.version": "1.0"})
    spans = group.scope_spans.add().spans
    start = time.time_ns() - 3_600_000_000_000
    for place in range(SPANS_PER_BATCH):
        conversation, turn = divmod(number * SPANS_PER_BATCH + place, TURNS)
        span = spans.add()
        span.trace_id = (number * SPANS_PER_BATCH + place + 1).to_bytes(16, "big")
        span.span_id = (place + 1).to_bytes(8, "big")
        span.name = "chat small"
        span.start_time_unix_nano = start + turn * 10_000_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 2_000_000_000
        _set(span.attributes, _attributes(f"c{conversation}", turn))
    return bytes(request.SerializeToString())


def _attributes(conversation: str, turn: int) -> dict[str, str | int]:
    chat = [
        {"role": role, "parts": [{"type": "text", "content": f"{conversation} {role} {number}"}]}
        for number in range(turn + 1)
        for role in ("user", "assistant")
    ]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.conversation.id": conversation,
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small-2",
        "gen_ai.response.id": f"{conversation}-{turn}",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 80,
        "gen_ai.input.messages": json.dumps(chat[:-1]),
        "gen_ai.output.messages": json.dumps(chat[-1:]),
        "server.address": "api.example.com",
    }


def _set(pairs: "object", values: dict[str, str | int]) -> None:
    for name, value in values.items():
        pair = pairs.add()  # type: ignore[attr-defined]  # a repeated field of protobuf
        pair.key = name
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value


def _send_all(server: Server, bodies: Sequence[bytes]) -> float:
    """Return the seconds until every batch is answered by 200."""
    waiting = list(reversed(bodies))
    failures: list[str] = []

    def send() -> None:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {server.key}",
            "Content-Type": "application/x-protobuf",
        }
        while waiting:
            try:
                body = waiting.pop()
            except IndexError:
                break
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            if answer.status != 200 or answer.read():
                failures.append(f"{answer.status}")
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    seconds = time.perf_counter() - started
    if failures:
        raise SpansLostError(f"batches were not taken: {failures[:3]}")
    return seconds


def _wait(server: Server, calls: int) -> float:
    """Return the seconds until so many calls are events, with a message of each side for each."""
    if server.settings is None:
        raise SpansLostError("this server has no log")
    started = time.perf_counter()
    query = (
        "select count(*) filter (where event_type = 'bot.turn_completed'), "
        "count(*) filter (where event_type = 'message.created') from events"
    )
    while True:
        with closing(sqlite3.connect(server.settings.store_path)) as connection:
            found, messages = connection.execute(query).fetchone()
        seconds = time.perf_counter() - started
        if (found, messages) == (calls, 2 * calls):
            return seconds
        if seconds > WAIT_SECONDS:
            raise SpansLostError(f"{calls} spans, {found} calls, {messages} messages")
        time.sleep(0.1)
