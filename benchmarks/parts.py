"""Where the time of one event goes: the API's own parts, by the clocks of its two threads.

The API is the real one with clocks around its parts (`benchmarks.profiled`). The clocks cost
time themselves, so what counts is the share of a part, not the sum.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.batch import CONNECTIONS
from benchmarks.generator import EVENTS_PER_BATCH, drive
from benchmarks.paired import Size
from benchmarks.profiled import Spent
from benchmarks.servers import Server, api_server
from benchmarks.stored import create_conversations

Kind = Literal["message", "batch"]


@dataclass(frozen=True)
class Part:
    """What one part (`thread: part`) spent on an event, in microseconds."""

    name: str
    cpu: float
    waited: float
    share: float


def measure(size: Size, work: Path) -> dict[str, list[Part]]:
    """Return the parts for one message at 64 connections and for batches, in the order of the code."""
    # In a thread, the clocks of the writer's parts are here too.
    with api_server(work / "parts", ("benchmarks.profiled",), CONVOLAKE_WRITER="thread") as server:
        create_conversations(server)
        _load(server, "message", size)  # caches and statements
        return {
            "one message, 64 connections": _parts(server, "message", size),
            f"batch of {EVENTS_PER_BATCH:,}": _parts(server, "batch", size),
        }


def _load(server: Server, kind: Kind, size: Size) -> int:
    if kind == "batch":
        batches = size.count(60, 6)
        drive(server, kind, CONNECTIONS, requests=batches, seconds=60)
        return batches * EVENTS_PER_BATCH
    seconds = size.pick(4.0, 1.0)
    return drive(server, kind, 64, requests=int(15_000 * seconds), seconds=seconds).acknowledged


def _parts(server: Server, kind: Kind, size: Size) -> list[Part]:
    before = _spent(server)
    events = _load(server, kind, size)
    after = _spent(server)
    spent = {
        key: Spent(cpu=now.cpu - then.cpu, wall=now.wall - then.wall)
        for key, now in after.items()
        for then in [before.get(key, Spent(cpu=0, wall=0))]
    }
    whole = sum(each.cpu for each in spent.values())
    return [
        Part(
            name=key,
            cpu=each.cpu / events * 1e6,
            waited=max(0.0, each.wall - each.cpu) / events * 1e6,
            share=each.cpu / whole,
        )
        for key, each in spent.items()
    ]


def _spent(server: Server) -> dict[str, Spent]:
    return msgspec.json.decode(server.request("GET", "/parts"), type=dict[str, Spent])
