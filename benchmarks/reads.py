"""`python -m benchmarks.reads FOLDER`: the dashboard's queries on a long history, alone and during loads.

The queries take turns, so all meet the same conditions. The loads go into the same warehouse, one after the
other and with the priority of `convolake load`, and it is merged as often as an installation does. FOLDER stays as
it is: what is read is a copy that shares its files.
"""

import itertools
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from benchmarks.scale import ZONE, LongLake, batch, month
from convolake.priority import lower_priority
from dashboards.bot_quality.data import load_bot_quality
from dashboards.conversations.data import load_conversations, load_transcript
from dashboards.conversations.details import load_others
from dashboards.filter_state import Period, Scope, Search
from dashboards.metrics.data import load_detail, load_list
from dashboards.overview.data import load_overview
from ingest.manifest import read_manifest
from warehouse.build import load
from warehouse.lake import catalog_path, connect
from warehouse.maintenance import MERGE_LOADS, merge

DAYS = 30
LATE_CONVERSATIONS = 80
"""Conversations of each month that get a late message in a load; the next loads have others."""

IDS = 500
Query = Callable[[], object]


@dataclass(frozen=True)
class Record:
    """What there is to read: its days, and some conversations with their contacts."""

    whole: Period
    conversations: tuple[tuple[str, str], ...]


def read_record(warehouse: Path) -> Record:
    """Return what the queries choose from."""
    with connect(warehouse) as con:
        ((first_on, last_on),) = con.execute(
            "select min(active_on), max(active_on) from daily_activity"
        ).fetchall()
        sample = (
            "select conversation_id, contact_id from conversations where contact_id is not null "
            f"using sample {IDS} rows (reservoir, 5)"
        )
        ids = tuple(con.execute(sample).fetchall())
    return Record(Period(first_on, last_on), ids)


def queries(warehouse: Path, record: Record) -> dict[str, Query]:
    """Return the queries by name; each call reads another period or another conversation."""
    chosen = random.Random(5)  # noqa: S311

    def scope() -> Scope:
        last_on: date = record.whole.last_on - timedelta(days=chosen.randint(1, 180))
        return Scope(Period(last_on - timedelta(days=DAYS - 1), last_on))

    def whole_read(read: Any) -> Callable[..., object]:
        found: Callable[..., object] = read.__wrapped__  # a page keeps its frames for seconds
        return found

    def of(read: Any, *arguments: Callable[[], object]) -> Query:
        whole = whole_read(read)
        return lambda: whole(warehouse, *(each() for each in arguments))

    def conversation() -> str:
        return chosen.choice(record.conversations)[0]

    def others() -> object:
        conversation_id, contact_id = chosen.choice(record.conversations)
        return whole_read(load_others)(warehouse, contact_id, conversation_id)

    whole = lambda: record.whole  # noqa: E731
    return {
        "list of 30 days": of(load_conversations, scope, Search, lambda: 1),
        "words in 30 days": of(load_conversations, scope, lambda: Search(text="refund"), lambda: 1),
        "overview": of(load_overview, scope, whole),
        "bot quality": of(load_bot_quality, scope, whole),
        "every stored metric": of(load_list, scope, whole),
        "retention": of(load_detail, lambda: "retention", scope, whole),
        "transcript": of(load_transcript, conversation, lambda: 1),
        "other conversations": others,
    }


def measure(chosen: dict[str, Query], samples: int) -> dict[str, list[float]]:
    """Return the milliseconds of each query."""
    found: dict[str, list[float]] = {name: [] for name in chosen}
    for query in chosen.values():
        query()
    for _ in range(samples):
        for name, query in chosen.items():
            started = time.perf_counter()
            query()
            found[name].append((time.perf_counter() - started) * 1000)
    return found


@contextmanager
def linked(folder: Path) -> Iterator[Path]:
    """Yield a data folder of its own with the same lake and warehouse, which shares their files."""
    with TemporaryDirectory(prefix="convolake-reads-", dir=folder.parent) as name:
        work = Path(name)
        for part in ("lake", "warehouse"):
            shutil.copytree(folder / part, work / part, copy_function=_share)
        yield work


def _share(source: str, target: str) -> str:
    if source.endswith(".parquet"):  # never changed
        os.link(source, target)
        return target
    return str(shutil.copy2(source, target))


def load_on(data: Path, until: Any) -> None:
    """Load one batch after the other until the event is set; print how many."""
    lower_priority()
    base = month()
    added = LongLake(data / "lake")
    added.rows = read_manifest(added.lake.path)[0][-1].last_position
    ids = base["conversation_id"].unique()
    for number in itertools.count(1):
        place = number * LATE_CONVERSATIONS % (len(ids) - LATE_CONVERSATIONS)
        late = ids.slice(place, LATE_CONVERSATIONS)
        known = base.filter(pc.is_in(base["conversation_id"], value_set=late))
        added.add(batch(base, known, f"{number}-"))
        load(added.lake.path, data / "warehouse", ZONE)
        if number % MERGE_LOADS == 0:
            merge(data / "warehouse", datetime.now(UTC))
        if until.is_set():
            print(f"{number} loads meanwhile", flush=True)
            return


@contextmanager
def loads(data: Path) -> Iterator[None]:
    """Load into a data folder in the block, without a pause."""
    context = multiprocessing.get_context("spawn")
    until = context.Event()
    process = context.Process(target=load_on, args=(data, until))
    catalog = catalog_path(data / "warehouse")
    before = catalog.stat().st_size
    process.start()
    while process.is_alive() and catalog.stat().st_size == before:
        time.sleep(0.1)  # until the first load is done
    try:
        yield
    finally:
        until.set()
        process.join()


def print_table(alone: dict[str, list[float]], busy: dict[str, list[float]]) -> None:
    """Print median and p95 of each query."""
    print(
        "| query | median, ms | p95 | during loads: median | p95 |\n| --- | --- | --- | --- | --- |"
    )
    for name in alone:
        cells = (f"{f(each[name]):.0f}" for each in (alone, busy) for f in (median, _p95))
        print(f"| {name} | {' | '.join(cells)} |")


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]


def main(
    folder: Annotated[Path, typer.Argument(help="A data folder with a loaded warehouse.")],
    samples: Annotated[
        int, typer.Option(help="Reads of each query, alone and during loads.")
    ] = 150,
) -> None:
    """Measure the queries of the pages."""
    with linked(folder) as data:
        chosen = queries(data / "warehouse", read_record(data / "warehouse"))
        found = []
        for busy in (nullcontext(), loads(data)):
            with busy:
                found.append(measure(chosen, samples))
    print_table(*found)


if __name__ == "__main__":
    typer.run(main)
