"""A load onto a long history against the same load onto a short one: what it costs in processor.

Both histories cover the same days; the long one has FACTOR times the conversations. The batch
that is loaded then is the same on both sides: nine tenths are conversations of the day after,
the rest are late messages in old conversations, of all days or of the last ones.
"""

import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.load import SEGMENT_ROWS, ZONE, LoadedWrongError
from benchmarks.paired import Figure, Goal, Size, alternate
from benchmarks.parts import Part
from benchmarks.statements import watch_load
from benchmarks.synthetic import (
    DAY,
    STARTED_AT,
    Entry,
    Fold,
    as_table,
    dialogues,
    record,
    text,
    uuid7,
)
from ingest.arrow_schema import SCHEMA
from ingest.events.draft import Draft
from ingest.lake.segments import Lake
from warehouse import build

EVENTS, QUICK_EVENTS = 50_000, 5_000
FACTOR = 40
DAYS = 120
LATE_DAYS = {DAYS: "all days", 7: "the last 7 days"}
STATEMENTS = 12
LOADS = 12
"""The histories are loaded in so many parts, as they would have come."""

LATE_SHARE = 10
"""One of this many events of the batch is late."""

GOALS = {DAYS: Goal(1.2, 1.1, at_most=True), 7: Goal(1.1, 1.05, at_most=True)}
IDS = ("event_id", "conversation_id", "session_id", "message_id", "handoff_id")
_DASH = pa.scalar("-")
HOUR = DAY // 24
SEALED_AT = datetime(2030, 6, 1, tzinfo=UTC)


def multiplied(table: pa.Table, times: int) -> pa.Table:
    """`table` and copies of it with other ids and texts, in order of time, positions from 1."""
    whole = pa.concat_tables([_copied(table, number) for number in range(times)])
    order = pc.sort_indices(whole, sort_keys=[("committed_at", "ascending")])
    return _placed(whole.take(order), 0)


def _copied(table: pa.Table, number: int) -> pa.Table:
    if number == 0:
        return table
    for name in IDS:
        column: Any = pc.binary_join_element_wise(table[name], pa.scalar(str(number)), _DASH)  # type: ignore[call-overload]
        table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), column)
    said = pc.is_valid(table["text"])
    texts = table["text"].drop_null().combine_chunks()
    # The next texts, not the same ones: repeated at once they would compress too well.
    turn = number * 997 % max(1, len(texts))
    turned = pa.concat_arrays([texts.slice(turn), texts.slice(0, turn)])
    mixed = pc.replace_with_mask(table["text"].combine_chunks(), said.combine_chunks(), turned)  # type: ignore[attr-defined]
    return table.set_column(SCHEMA.get_field_index("text"), SCHEMA.field("text"), mixed)


def _placed(table: pa.Table, after: int) -> pa.Table:
    positions: Any = pa.array(range(after + 1, after + 1 + table.num_rows), pa.int64())
    index = SCHEMA.get_field_index("position")
    return table.set_column(index, SCHEMA.field("position"), positions)


def base_and_batch(events: int, late_days: int) -> tuple[pa.Table, pa.Table]:
    """Return a history of `events`, and as many that come after it, late ones back to `late_days`."""
    fold, chosen = Fold(), random.Random(4)  # noqa: S311
    # A few conversations more than the cache holds: this many events of them fill DAYS.
    drafts = dialogues(events // 9, STARTED_AT, DAYS * DAY * 8 // 7, chosen)
    base = as_table(record(fold, drafts, events))
    start = int(_micros(base)[-1].as_py()) + HOUR
    late = _late(_ids(base, start - late_days * DAY), events // LATE_SHARE, start, chosen)
    fresh = dialogues(events // 9, start, DAY, chosen)
    both = sorted([*late, *fresh], key=lambda entry: entry[:3])
    return base, as_table(record(fold, iter(both), events))


def _ids(base: pa.Table, since: int) -> list[str]:
    """Conversations with an event since then, in microseconds."""
    recent = base.filter(pc.greater_equal(_micros(base), pa.scalar(since)))
    return sorted({str(each) for each in recent["conversation_id"].to_pylist()})


def _micros(table: pa.Table) -> Any:
    return table["received_at"].cast(pa.int64())


def _late(ids: list[str], events: int, start: int, chosen: random.Random) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(events):
        at = start + number * DAY // events
        draft = Draft(
            event_type="message.created",
            event_id=uuid7(at // 1000, chosen),
            conversation_id=chosen.choice(ids),
            participant_id="late-customer",
            participant_role="customer",
            text=text(chosen),
        )
        entries.append((at, -1, number, draft))
    return entries


@dataclass(frozen=True)
class Past:
    """A lake whose history is in a warehouse already, and whose batch waits."""

    lake: Path
    warehouse: Path
    waiting: int


def prepare(folder: Path, history: pa.Table, batch: pa.Table) -> Past:
    """Seal and load `history` in parts, then seal `batch`."""
    lake, warehouse = Lake(folder / "lake"), folder / "warehouse"
    part = history.num_rows // LOADS + 1
    for start in range(0, history.num_rows, part):
        _seal(lake, history.slice(start, part))
        build.load(lake.path, warehouse, ZONE)
    _seal(lake, _placed(batch, history.num_rows))
    return Past(lake.path, warehouse, batch.num_rows)


def _seal(lake: Lake, table: pa.Table) -> None:
    for start in range(0, table.num_rows, SEGMENT_ROWS):
        lake.seal(table.slice(start, SEGMENT_ROWS), SEALED_AT)


class LoadOnto:
    """One side: the waiting batch, loaded into a copy of the warehouse each time."""

    def __init__(self, past: Past) -> None:
        """Load onto `past`."""
        self.seconds: list[float] = []
        self._past = past

    def __call__(self, number: int) -> float:
        """Seconds that processors worked, in all threads."""
        copy = self._past.warehouse.with_name(f"copy-{number}")
        shutil.copytree(self._past.warehouse, copy)
        started, worked = time.perf_counter(), time.process_time()
        report = build.load(self._past.lake, copy, ZONE)
        worked = time.process_time() - worked
        self.seconds.append(time.perf_counter() - started)
        shutil.rmtree(copy)
        if report.events != self._past.waiting:
            raise LoadedWrongError(f"{report.events} events loaded of {self._past.waiting}")
        return worked


def measure(size: Size, work: Path) -> tuple[list[Figure], dict[str, list[Part]]]:
    """Return the ratio for late events of all days and of the last ones, and what the statements cost."""
    events = size.count(EVENTS, QUICK_EVENTS)
    figures: list[Figure] = []
    parts: dict[str, list[Part]] = {}
    for late_days, which in LATE_DAYS.items():
        folder = work / f"growth-{late_days}"
        base, batch = base_and_batch(events, late_days)
        short = prepare(folder / "short", base, batch)
        long = prepare(folder / "long", multiplied(base, FACTOR), batch)
        figures.append(_figure(size, short, long, events, late_days))
        parts[f"load onto {FACTOR} × the history, late events of {which}"] = _parts(long)
        shutil.rmtree(folder)
    return figures, parts


def _figure(size: Size, short: Past, long: Past, events: int, late_days: int) -> Figure:
    ours, reference, which = LoadOnto(long), LoadOnto(short), LATE_DAYS[late_days]
    pairs = alternate(size, ours, reference)
    waits = f"wall {median(ours.seconds):.1f} s (reference {median(reference.seconds):.1f} s)"
    return Figure(
        f"load onto {FACTOR} × the history, late: {which}",
        f"processor seconds for {events:,} new events",
        f"the same events onto a history of {events:,}",
        pairs,
        GOALS[late_days],
        [f"1 of {LATE_SHARE} events is late, in conversations of {which} of {DAYS}", waits],
        scale=" CPU s",
    )


def _parts(past: Past) -> list[Part]:
    """Return the dearest statements of the load, per new event."""
    copy = past.warehouse.with_name("watched")
    shutil.copytree(past.warehouse, copy)
    spent = watch_load(past.lake, copy, ZONE)
    whole = sum(spent.values())
    dearest = sorted(spent.items(), key=lambda each: -each[1])[:STATEMENTS]
    return [
        Part(f"load: {name}", seconds / past.waiting * 1e6, 0.0, seconds / whole)
        for name, seconds in dearest
    ]
