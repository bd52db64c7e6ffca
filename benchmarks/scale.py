"""`python -m benchmarks.scale`: the warehouse on a long history of believable conversations.

One month of simulated conversations goes through the log's own rules. Copies of it with other ids, moved in
time, make a year: `--events` says how long the log is, 100 million on demand. The batch that is loaded then
is one day of new conversations, and late messages in old ones of the whole year.
"""

import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Annotated, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import typer

from benchmarks.growth import IDS
from benchmarks.synthetic import Fold, as_table
from convolake.simulate import history
from ingest.arrow_schema import SCHEMA
from ingest.contract import to_micros
from ingest.events.draft import Draft
from ingest.lake.segments import Lake
from warehouse import build
from warehouse.lake import connect

ZONE = "UTC"
SEGMENT_ROWS = 50_000
MONTHS = 12
MONTH = timedelta(days=30)
NOW = datetime(2030, 1, 31, tzinfo=UTC)
SEALED_AT = datetime(2032, 1, 1, tzinfo=UTC)
LOADS = 12
BATCH = 50_000
LATE = 5_000
"""Late messages that are drawn; one for each conversation is kept, so there are fewer."""

SHORT = 100_000
"""Events of the short history, on the same days."""

CLOCKS = ("occurred_at", "received_at", "committed_at", "happened_at")
READS = 40


def month() -> pa.Table:
    """Return the rows that the log makes of a month of simulated conversations."""
    fold = Fold()
    events = sorted(history(7, MONTH.days, NOW), key=lambda event: str(event["happened_at"]))
    rows: list[tuple[Any, ...]] = []
    for event in events:
        draft = msgspec.convert(event, Draft)
        if draft.conversation_id is not None:
            at = to_micros(datetime.fromisoformat(str(event["happened_at"])))
            rows += [msgspec.structs.astuple(row) for row in fold.take(draft, at)]
    return as_table(rows)


def copied(table: pa.Table, name: str, moved: timedelta) -> pa.Table:
    """Return the rows with other ids, moved in time."""
    suffix = pa.scalar(f"-{name}")
    for column in IDS:
        joined: Any = pc.binary_join_element_wise(table[column], suffix, pa.scalar(""))  # type: ignore[call-overload]
        table = _replace(table, column, joined)
    for column in CLOCKS:
        later: Any = pc.add(table[column], pa.scalar(moved, pa.duration("us")))
        table = _replace(table, column, later)
    return table


def _replace(table: pa.Table, name: str, values: Any) -> pa.Table:
    index = SCHEMA.get_field_index(name)
    return table.set_column(index, SCHEMA.field(name), values)


def months(base: pa.Table, events: int) -> Iterator[pa.Table]:
    """Yield the rows of each of the MONTHS in the order of the log, about `events` in all.

    A history that is shorter than the base of each month has fewer conversations, of the same days.
    """
    copies = events / MONTHS / base.num_rows
    for number in range(MONTHS):
        parts = [copied(base, f"{number}-{copy}", number * MONTH) for copy in range(int(copies))]
        if not parts:
            parts = [copied(_some(base, copies), f"{number}-0", number * MONTH)]
        whole = pa.concat_tables(parts)
        yield whole.take(pc.sort_indices(whole, sort_keys=[("committed_at", "ascending")]))


def _some(base: pa.Table, share: float) -> pa.Table:
    """Return the rows of a share of the conversations."""
    ids = base["conversation_id"].unique()
    return base.filter(
        pc.is_in(base["conversation_id"], value_set=ids.slice(0, int(len(ids) * share)))
    )


class LongLake:
    """A lake that grows; positions have no gap."""

    def __init__(self, folder: Path) -> None:
        """Begin an empty lake."""
        self.lake = Lake(folder)
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Seal the rows of a table."""
        positions = pa.array(range(self.rows + 1, self.rows + 1 + table.num_rows), pa.int64())
        table = _replace(table, "position", positions)
        for start in range(0, table.num_rows, SEGMENT_ROWS):
            self.lake.seal(table.slice(start, SEGMENT_ROWS), SEALED_AT)
        self.rows += table.num_rows


def batch(base: pa.Table, known: pa.Table, name: str = "") -> pa.Table:
    """Return a day of new conversations, and late messages in conversations of all months.

    `known`: the rows of a month whose conversations the history has. Batches with other names have other ids.
    """
    day = base.filter(
        pc.less(
            base["happened_at"],
            pa.scalar(NOW - MONTH + timedelta(days=1), pa.timestamp("us", "UTC")),
        )
    )
    copies = (BATCH - LATE) // day.num_rows
    fresh = [copied(day, f"new-{name}{copy}", MONTHS * MONTH) for copy in range(copies)]
    ends = known.group_by("conversation_id").aggregate([("sequence", "max")]).to_pylist()
    said = base.filter(pc.equal(base["event_type"], pa.scalar("message.created"))).slice(0, 1)
    chosen = random.Random(5)  # noqa: S311
    rows = []
    for number, end in enumerate(chosen.choices(ends, k=LATE)):
        row = said.to_pylist()[0]
        row |= {
            "event_id": f"late-{name}{number}",
            "conversation_id": f"{end['conversation_id']}-{chosen.randrange(MONTHS)}-0",
            "sequence": end["sequence_max"] + 1,
            "message_id": f"late-{name}{number}",
            "session_id": None,
        }
        rows.append(row)
    unique = {row["conversation_id"]: row for row in rows}
    late = pa.Table.from_pylist(list(unique.values()), schema=SCHEMA)
    for column in CLOCKS:
        moved: Any = pc.add(late[column], pa.scalar(MONTHS * MONTH, pa.duration("us")))
        late = _replace(late, column, moved)
    return pa.concat_tables([*fresh, late])


def peak_gib() -> float:
    """Return the largest memory that this process had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Run and print wall and processor seconds."""
    started, worked = time.perf_counter(), time.process_time()
    found = work()
    wall, spent = time.perf_counter() - started, time.process_time() - worked
    print(
        f"{what}: {wall:.1f} s wall, {spent:.1f} s of processors, peak {peak_gib():.1f} GiB",
        flush=True,
    )
    return found


def load_batch(lake: Path, warehouse: Path) -> float:
    """Load the waiting batch into a copy; return the processor seconds."""
    spent: list[float] = []
    for number in range(3):
        copy = warehouse.with_name(f"copy-{number}")
        shutil.copytree(warehouse, copy)
        worked, started = time.process_time(), time.perf_counter()
        report = build.load(lake, copy, ZONE)
        spent.append(time.process_time() - worked)
        print(
            f"  {report.events:,} events: {time.perf_counter() - started:.1f} s wall, {spent[-1]:.1f} s CPU"
        )
        shutil.rmtree(copy)
    return median(spent)


QUERIES = {
    "metrics of 30 days, from metric_daily": """
        select metric, sum(numerator), sum(denominator), sum(value_sum), sum(value_count)
        from metric_daily where active_on between date '2030-06-01' and date '2030-06-30' group by metric
    """,
    "messages by day and channel, 90 days": """
        select active_on, channel, sum(messages) from daily_activity
        where active_on between date '2030-03-01' and date '2030-05-30' group by all
    """,
    "percentiles of the wait, 30 days": """
        select quantile_cont(wait_seconds, [0.5, 0.95]) from handoffs
        where requested_on between date '2030-06-01' and date '2030-06-30'
    """,
    "newest conversations, one page": """
        select * from conversations where not is_test and started_on >= date '2030-12-01'
        order by created_at desc limit 50
    """,
}


def read_often(warehouse: Path, ids: list[str], title: str) -> None:
    """Print median and p95 of each query, warm."""
    with connect(warehouse) as con:
        for name, sql in QUERIES.items():
            _print_reads(f"{title}: {name}", partial(_fetch, con, sql))
        chosen = iter(ids * 2)
        transcript = "select sequence, participant_role, text from messages where conversation_id = ? order by 1"
        _print_reads(
            f"{title}: transcript by id", lambda: con.execute(transcript, [next(chosen)]).fetchall()
        )


def _fetch(con: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return con.execute(sql).fetchall()


def _print_reads(name: str, read: Callable[[], Any]) -> None:
    read()
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        read()
        times.append((time.perf_counter() - started) * 1000)
    print(
        f"{name}: median {median(times):.0f} ms, p95 {quantiles(times, n=20)[-1]:.0f} ms",
        flush=True,
    )


def bytes_of(folder: Path) -> int:
    """Return the size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(
    events: Annotated[int, typer.Option(help="Length of the long history.")] = 10_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Put temporary data here: a real disk.")
    ] = None,
) -> None:
    """Measure loads, a rebuild and queries on a long history."""
    with TemporaryDirectory(prefix="convolake-scale-", dir=folder) as name:
        _measure(Path(name), events)


def _measure(work: Path, events: int) -> None:
    base = month()
    print(f"one month: {base.num_rows:,} events", flush=True)
    short, long = LongLake(work / "short" / "lake"), LongLake(work / "long" / "lake")
    for table in months(base, SHORT):
        short.add(table)
    warehouse = work / "long" / "warehouse"
    for number, table in enumerate(months(base, events)):
        long.add(table)
        if number % (MONTHS // LOADS or 1) == 0:
            report = build.load(long.lake.path, warehouse, ZONE)
            print(
                f"  {long.rows:,} events, the last {report.events:,} in {report.seconds:.1f} s",
                flush=True,
            )
    build.load(short.lake.path, work / "short" / "warehouse", ZONE)
    build.load(long.lake.path, warehouse, ZONE)
    print(
        f"bytes per event: {bytes_of(warehouse) / long.rows:.0f}, peak {peak_gib():.1f} GiB",
        flush=True,
    )
    ids = [f"{row}-3-0" for row in base["conversation_id"].unique().to_pylist()[: READS + 2]]
    read_often(warehouse, ids, "idle")
    known = _some(base, SHORT / MONTHS / base.num_rows)
    added = batch(base, known)
    for lake in (short, long):
        lake.add(added)
    onto_short = load_batch(short.lake.path, work / "short" / "warehouse")
    onto_long = load_batch(long.lake.path, warehouse)
    late = pc.sum(pc.cast(pc.starts_with(added["event_id"], "late-"), pa.int64())).as_py()
    print(
        f"load of {added.num_rows:,} events, {late:,} of them late, onto {long.rows:,} against {short.rows:,}: {onto_long / onto_short:.2f} × CPU"
    )
    loading = Thread(target=build.load, args=(long.lake.path, warehouse, ZONE))
    loading.start()
    read_often(warehouse, ids, "while a load runs")
    loading.join()
    timed(
        f"rebuild of {long.rows:,} events",
        lambda: build.load(long.lake.path, work / "rebuilt", ZONE),
    )


if __name__ == "__main__":
    typer.run(main)
