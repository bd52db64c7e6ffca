"""`python -m benchmarks.dashboard FOLDER`: many users read the dashboard of a data folder at once.

Each user is a WebSocket that speaks Streamlit's own protocol, as a browser does: it opens a page with the
filters of a URL, waits until the script has finished, and opens the next one. A load may run meanwhile.
"""

import asyncio
import random
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.reads import linked, loads
from benchmarks.servers import HOST, api_server, free_port, running
from dashboards.pages import PAGES
from dashboards.serve import command
from ingest.settings import Settings
from warehouse.lake import connect as read_warehouse

FIGURES = frozenset({"metric", "vega_lite_chart", "dataframe", "table", "text", "code"})
"""Elements that show what a user came for; a page's title and filters come before them."""

NO_FIGURES = frozenset({"account", "ask_sql", "desk", "health", "reviews"})
"""Pages that are not read from the warehouse alone, or that act."""

RUNS_AGAIN = ForwardMsg.FINISHED_EARLY_FOR_RERUN

TIMEOUT_SECONDS = 120.0
TRANSCRIPTS = 200
ARRIVAL_SECONDS = 30.0
"""Time within which the users come."""

PARTS = 8
"""Parts of the time whose memory is printed: a leak shows as a rise in the last ones too."""


@dataclass
class Found:
    """Seconds to the first figure and to the end of the script, by page; errors; memory in MiB."""

    first: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    whole: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


class User:
    """One session of the dashboard."""

    def __init__(self, socket: ClientConnection, found: Found) -> None:
        """`found` collects what the user sees."""
        self._socket = socket
        self._found = found

    async def open(self, name: str, page: str, query: str) -> None:
        """Open a page and wait until it is complete; it is called `name` in what is found."""
        started = time.perf_counter()
        await self._socket.send(_rerun(page, query))
        first = None
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for message in self._socket:
                forward = ForwardMsg.FromString(message)
                kind = forward.WhichOneof("type")
                if kind == "delta" and first is None and _is_figure(forward):
                    first = time.perf_counter() - started
                if kind == "delta" and forward.delta.new_element.WhichOneof("type") == "exception":
                    error = forward.delta.new_element.exception
                    self._found.errors.append(f"{name}: {error.type} {error.message}")
                if kind == "script_finished" and forward.script_finished != RUNS_AGAIN:
                    break
        if first is not None:
            self._found.first[name].append(first)
        self._found.whole[name].append(time.perf_counter() - started)


def _rerun(page: str, query: str) -> bytes:
    message = BackMsg()
    message.rerun_script.page_name = page
    message.rerun_script.query_string = query
    return bytes(message.SerializeToString())


def _is_figure(message: ForwardMsg) -> bool:
    return message.delta.new_element.WhichOneof("type") in FIGURES


@dataclass(frozen=True)
class Visits:
    """What users open: any page, with periods of the record; and transcripts."""

    last_on: date
    conversations: tuple[str, ...]

    def choose(self, chosen: random.Random) -> tuple[str, str, str]:
        """Return a name for the report, the page and the query of its URL."""
        pages = [page.folder for page in PAGES if page.folder not in NO_FIGURES]
        page = chosen.choice([*pages, "transcript"])
        if page == "transcript":
            return page, "conversations", f"conversation={chosen.choice(self.conversations)}"
        until = self.last_on - timedelta(days=chosen.randint(0, 60))
        period = f"from={until - timedelta(days=29)}&to={until}"
        return page, page, period


def read_visits(warehouse: Path) -> Visits:
    """Return what the warehouse has to open."""
    with read_warehouse(warehouse) as con:
        ((last_on,),) = con.execute("select max(active_on) from daily_activity").fetchall()
        sample = f"select conversation_id from conversations using sample {TRANSCRIPTS} rows"
        ids = tuple(each for (each,) in con.execute(sample).fetchall())
    return Visits(last_on, ids)


async def _use(url: str, visits: Visits, until: float, chosen: random.Random, found: Found) -> None:
    await asyncio.sleep(chosen.uniform(0, ARRIVAL_SECONDS))
    try:
        opened = await connect(url, max_size=None, open_timeout=60, ping_interval=None)
    except TimeoutError:
        found.errors.append("the dashboard did not accept a user within 60 s")
        return
    async with opened as socket:
        user = User(socket, found)
        while time.monotonic() < until:
            name, page, query = visits.choose(chosen)
            try:
                await user.open(name, page, query)
            except TimeoutError:
                found.errors.append(f"{name}: not complete after {TIMEOUT_SECONDS:.0f} s")
            await asyncio.sleep(chosen.uniform(5, 30))  # a user reads


async def _watch(process: int, until: float, found: Found) -> None:
    while time.monotonic() < until:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        found.memory.append(pages * 4096 / 2**20)
        await asyncio.sleep(5)


async def _use_all(url: str, visits: Visits, users: int, seconds: float, process: int) -> Found:
    found = Found()
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch(process, until, found))
        for number in range(users):
            chosen = random.Random(number)  # noqa: S311
            group.create_task(_use(url, visits, until, chosen, found))
    return found


def _print(found: Found) -> None:
    for title, by_page in (("first figure", found.first), ("whole page", found.whole)):
        for page, seconds in sorted(by_page.items()):
            p95 = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
            print(f"{page}, {title}: {len(seconds)} visits, first {seconds[0]:.2f} s, "
                  f"median {median(seconds):.2f} s, p95 {p95:.2f} s")  # fmt: skip
    size = -(-len(found.memory) // PARTS)
    parts = (found.memory[place : place + size] for place in range(0, len(found.memory), size))
    medians = ", ".join(f"{median(part):.0f}" for part in parts)
    print(f"memory, MiB: {found.memory[0]:.0f} at first, at most {max(found.memory):.0f}; "
          f"medians of {PARTS} parts: {medians}")  # fmt: skip
    print(f"errors: {len(found.errors)}")
    for error in sorted(set(found.errors))[:10]:
        print(f"  {error}")


def main(
    folder: Annotated[Path, typer.Argument(help="A data folder with a loaded warehouse.")],
    users: Annotated[int, typer.Option(help="Users at once.")] = 20,
    minutes: Annotated[float, typer.Option(help="How long they stay.")] = 10,
    load: Annotated[bool, typer.Option(help="Load one batch after the other meanwhile.")] = False,
) -> None:
    """Measure pages while many users read them."""
    with ExitStack() as stack:
        if load:
            folder = stack.enter_context(linked(folder))
        visits = read_visits(folder / "warehouse")
        # What the users open is recorded in a log of its own, so the folder stays as it is.
        recorded = Path(stack.enter_context(TemporaryDirectory(prefix="convolake-users-")))
        server = stack.enter_context(api_server(recorded / "data"))
        settings = Settings(data=folder, dashboard_port=free_port())
        environment = {
            "CONVOLAKE_DATA": str(folder),
            "CONVOLAKE_API_URL": f"http://{HOST}:{server.port}",
            "CONVOLAKE_API_KEY": server.key,
        }
        log = folder.with_suffix(".dashboard.log")
        process = stack.enter_context(running(command(settings), environment, log))
        if load:
            stack.enter_context(loads(folder))
        url = f"ws://{HOST}:{settings.dashboard_port}/_stcore/stream"
        _wait(url)
        _print(asyncio.run(_use_all(url, visits, users, minutes * 60, process.pid)))


def _wait(url: str) -> None:
    async def attempt() -> None:
        async with connect(url):
            pass

    deadline = time.monotonic() + 60
    while True:
        try:
            return asyncio.run(attempt())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    typer.run(main)
