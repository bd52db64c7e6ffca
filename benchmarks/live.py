"""Ten thousand sockets on one API process, and a listener that was away for long."""

from pathlib import Path

import msgspec

from benchmarks.listeners import Heard, ListeningFailedError, Plan, listen
from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import Server, api_server
from benchmarks.stored import create_conversations
from benchmarks.synthetic import conversation_ids

SOCKETS, QUICK_SOCKETS = 10_000, 200
RATE = 500
SECONDS, QUICK_SECONDS = 10.0, 1.0
MISSED, QUICK_MISSED = 100_000, 2_000
BATCH = 10_000


def measure(size: Size, work: Path) -> list[Level]:
    """Sockets that are opened, told and kept; then a listener that missed a lot."""
    sockets = size.count(SOCKETS, QUICK_SOCKETS)
    with api_server(work / "live") as server:
        create_conversations(server)
        plan = Plan(
            port=server.port,
            key=server.key,
            conversations=conversation_ids(),
            sockets=sockets,
            rate=RATE,
            seconds=size.pick(SECONDS, QUICK_SECONDS),
        )
        heard = listen(server, plan)
        memory = server.peak_memory()
        levels = _levels(heard, memory, sockets)
    with api_server(work / "away") as server:
        return [*levels, _catch_up(server, size.count(MISSED, QUICK_MISSED))]


def _levels(heard: Heard, memory: float, sockets: int) -> list[Level]:
    if heard.dropped or heard.out_of_order or heard.events != heard.expected:
        raise ListeningFailedError(
            f"{heard.dropped} sockets dropped, {heard.out_of_order} events out of order, "
            f"{heard.events} of {heard.expected} heard"
        )
    waits = sorted(heard.waits)
    p99 = waits[int(len(waits) * 0.99)] * 1000
    notes = [
        f"{heard.events:,} heard of {heard.expected:,}, in order; p50 {waits[len(waits) // 2] * 1000:.0f} ms",
        "0 sockets dropped",
    ]
    return [
        Level(f"{sockets:,} sockets, all open", "s", [heard.opened_in], Goal(60, at_most=True)),
        Level(
            f"{sockets:,} sockets, peak memory of the API",
            "MiB",
            [memory],
            Goal(450, 400, at_most=True),
        ),
        Level(
            f"posted → received p99 at {RATE} events/s, {sockets:,} sockets",
            "ms",
            [p99],
            Goal(60, 40, at_most=True),
            notes,
        ),
    ]


def _catch_up(server: Server, missed: int) -> Level:
    """Measure how a listener that missed this many events receives them all, in order."""
    created = {"event_type": "conversation.created", "conversation_id": "long", "channel": "web"}
    said = {"event_type": "message.created", "conversation_id": "long", "text": "Hello",
            "participant_id": "ada", "participant_role": "customer"}  # fmt: skip
    encoder = msgspec.json.Encoder()
    server.request("POST", "/v1/events", encoder.encode(created), "application/json")
    for _ in range(missed // BATCH or 1):
        body = encoder.encode_lines([said] * min(BATCH, missed))
        server.request("POST", "/v1/events", body, "application/x-ndjson")
    plan = Plan(
        port=server.port,
        key=server.key,
        conversations=["long"],
        sockets=1,
        until_sequence=missed + 1,
    )
    heard = listen(server, plan)
    if heard.out_of_order:
        raise ListeningFailedError(f"{heard.out_of_order} events out of order")
    return Level(f"catch-up of {missed:,} missed events", "s", [heard.caught_up_in])
