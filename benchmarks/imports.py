"""`convolake import jsonl` of a large file into an API of its own, end to end: process start, file, HTTP, log."""

import itertools
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.paired import Goal, Level, Size
from benchmarks.servers import REPOSITORY, Server, api_server
from benchmarks.synthetic import dialogues
from ingest.contract import from_micros, to_micros

EVENTS, QUICK_EVENTS = 1_000_000, 20_000
EVENTS_OF_EACH = 8
"""The fewest events of a conversation."""

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


def run_import(server: Server, path: Path) -> tuple[float, float]:
    """Import a file; return the seconds and the peak memory of the importing process in MiB."""
    environment = {
        **os.environ,
        "CONVOLAKE_API_URL": f"http://127.0.0.1:{server.port}",
        "CONVOLAKE_API_KEY": server.key,
    }
    command = [sys.executable, "-m", "convolake", "import", "jsonl", str(path)]
    started = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, environment)
    _, status, used = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"the import of {path} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, used.ru_maxrss / 1024


def peak_mib(server: Server) -> float:
    """Return the largest memory that a server had, in MiB."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


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
            _, small = run_import(api, part)
            memory = peak_mib(api)
        with api_server(work / f"data-{number}-whole") as api:
            seconds, large = run_import(api, whole)
            notes.append(
                f"{events:,} events, {whole.stat().st_size / 1e6:.0f} MB, in {seconds:.1f} s; "
                f"peak {large:.0f} MiB, of the API {peak_mib(api):.0f} MiB "
                f"(a tenth of the events: {small:.0f} and {memory:.0f})"
            )
        rates.append(events / seconds)
        growth.append(large / small)
    return [
        Level("import jsonl, events/s", "events/s", rates, GOAL, notes),
        Level("import jsonl, peak memory × a tenth of the file", "×", growth, MEMORY_GOAL),
    ]
