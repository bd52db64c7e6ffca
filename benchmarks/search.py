"""`python -m benchmarks.search`: the search index on a long history of messages.

The messages of one simulated month are copied with other ids and times until there are enough. Half of the
conversations get a word of their own, so that rare words exist as well as words of every conversation.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from benchmarks.scale import MONTH, LongLake, bytes_of, copied, month
from convolake.search_index import Hit, Scope, SearchIndex
from ingest.arrow_schema import SCHEMA

READS = 40
MONTHS = 12


def messages(base: pa.Table, count: int) -> Iterator[pa.Table]:
    """Yield about `count` messages in the order of the log, in parts."""
    said = base.filter(pc.equal(base["event_type"], pa.scalar("message.created")))
    copies = max(1, count // said.num_rows)
    for number in range(copies):
        part = copied(said, str(number), MONTH * (number * MONTHS // copies))
        yield _with_rare_words(part)


def _with_rare_words(table: pa.Table) -> pa.Table:
    index = SCHEMA.get_field_index("text")
    words: Any = pc.binary_join_element_wise(table["text"], table["message_id"], pa.scalar(" "))  # type: ignore[call-overload]
    marked = pc.if_else(pc.equal(table["participant_role"], pa.scalar("customer")), words, table["text"])  # fmt: skip
    return table.set_column(index, SCHEMA.field("text"), marked)


SEARCHES = {
    "a word of every conversation": ("order", Scope()),
    "two words": ("order refund", Scope()),
    "a phrase": ('"my order"', Scope()),
    "the beginning of a word": ("refun*", Scope()),
    "a word that does not occur": ("zanzibar", Scope()),
    "a word, one channel, customers only": ("order", Scope(channel="sms", role="customer")),
    "a word in one month of the past": ("order", Scope(since=1_893_456_000_000_000, until=1_894_060_800_000_000)),
    "a word of one participant": ("order", Scope(participant="ada-0")),
}  # fmt: skip


def print_times(name: str, search: Callable[[], list[Hit]]) -> None:
    """Print how long a search takes, warm."""
    hits = len(search())
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        search()
        times.append((time.perf_counter() - started) * 1000)
    p95 = quantiles(times, n=20)[-1]
    print(f"{name}: {hits} hits, median {median(times):.0f} ms, p95 {p95:.0f} ms", flush=True)


def main(
    count: Annotated[int, typer.Option("--messages", help="Messages in the index.")] = 10_000_000,
    folder: Annotated[Path | None, typer.Option(help="Put temporary data here.")] = None,
) -> None:
    """Measure the index and searches in it."""
    with TemporaryDirectory(prefix="convolake-search-", dir=folder) as name:
        work = Path(name)
        lake = LongLake(work / "lake")
        for table in messages(month(), count):
            lake.add(table)
        index = SearchIndex(work / "search.sqlite")
        started = time.perf_counter()
        index.update(lake.lake.path)
        seconds = time.perf_counter() - started
        size = (work / "search.sqlite").stat().st_size / lake.rows
        print(f"{lake.rows:,} messages indexed in {seconds:.0f} s, {size:.0f} bytes each; "
              f"the lake has {bytes_of(work / 'lake') / lake.rows:.0f}", flush=True)  # fmt: skip
        for title, (words, scope) in SEARCHES.items():
            print_times(title, partial(index.search, words, scope, 20))


if __name__ == "__main__":
    typer.run(main)
