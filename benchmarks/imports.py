"""`convolake import jsonl` of a large file into an API of its own, end to end: process start, file, HTTP, log."""

import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import REPOSITORY, Server, api_server, peak_mib
from benchmarks.synthetic import dialogues
from ingest.contract import from_micros, to_micros

EVENTS, QUICK_EVENTS = 1_000_000, 20_000
EVENTS_OF_EACH = 8
"""The fewest events of a conversation."""

WATCH_SECONDS = 0.1
"""Interval at which memory is read."""

BEGAN_AT = to_micros(datetime(2020, 1, 6, tzinfo=UTC))
GOAL = Goal(20_000)
MEMORY_GOAL = Goal(1.1, at_most=True)
"""Peak memory of an import against that of a tenth of its events: flat."""


def write_file(path: Path, events: int) -> None:
    """Write the events that a client would have sent, in order of time, one in a line."""
    count = events // EVENTS_OF_EACH + 1
    drafts = dialogues(count, BEGAN_AT, count * 10_000_000, random.Random(6))  # noqa: S311
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        for at, _, _, draft in itertools.islice(drafts, events):
            given = msgspec.to_builtins(draft) | {"happened_at": from_micros(at).isoformat()}
            file.write(encoder.encode({k: v for k, v in given.items() if v is not None}) + b"\n")


@dataclass(frozen=True)
class Memory:
    """The largest memory of the importing process and of the API so far, in MiB, `at` seconds since the start."""

    at: float
    importer: float
    api: float


@dataclass(frozen=True)
class Import:
    """A finished import."""

    seconds: float
    memory: list[Memory]

    def quarters(self) -> list[Memory]:
        """Return the memory after each quarter of the time."""
        ends = (self.seconds * quarter / 4 for quarter in range(1, 5))
        return [max((e for e in self.memory if e.at <= end), key=lambda e: e.at) for end in ends]


def run_import(server: Server, path: Path) -> Import:
    """Import a file by the command, and watch the memory."""
    environment = {
        **os.environ,
        "CONVOLAKE_API_URL": f"http://127.0.0.1:{server.port}",
        "CONVOLAKE_API_KEY": server.key,
    }
    command = [sys.executable, "-m", "convolake", "import", "jsonl", str(path)]
    started = time.perf_counter()
    memory: list[Memory] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            # Not what wait4 says: that begins with the memory of this process, which started it.
            peaks = peak_mib(process.pid), server.peak_memory()
            if peaks[0]:
                memory.append(Memory(time.perf_counter() - started, *peaks))
            with suppress(subprocess.TimeoutExpired):
                process.wait(WATCH_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the import of {path} ended with {process.returncode}")
    return Import(time.perf_counter() - started, memory)


def measure(size: Size, work: Path) -> list[Level]:
    """Events a second from the command's start to its end, and the importing process's memory."""
    os.chdir(REPOSITORY)  # `python -m convolake` of this checkout
    events = size.count(EVENTS, QUICK_EVENTS)
    whole, part = work / "whole.jsonl", work / "part.jsonl"
    write_file(whole, events)
    write_file(part, events // 10)
    rates: list[float] = []
    growth: list[float] = []
    notes: list[str] = []
    for number in range(min(size.rounds, 3)):
        with api_server(work / f"data-{number}") as api:
            small = run_import(api, part)
        with api_server(work / f"data-{number}-whole") as api:
            large = run_import(api, whole)
        quarters = large.quarters()
        peak, before = quarters[-1], small.quarters()[-1]
        notes.append(
            f"{events:,} events, {whole.stat().st_size / 1e6:.0f} MB, in {large.seconds:.1f} s; "
            f"peak after each quarter {_listed(each.importer for each in quarters)} MiB, "
            f"of the API {_listed(each.api for each in quarters)} MiB "
            f"(a tenth of the events: {before.importer:.0f} and {before.api:.0f})"
        )
        rates.append(events / large.seconds)
        growth.append(peak.importer / before.importer)
    return [
        Level("import jsonl, events/s", "events/s", rates, GOAL, notes),
        Level("import jsonl, peak memory × a tenth of the file", "×", growth, MEMORY_GOAL),
    ]


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{each:.0f}" for each in values)
