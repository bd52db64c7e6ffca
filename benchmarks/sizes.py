"""Bytes of Parquet for an event when a text has 100 characters, as sealed and as compacted.

Measured twice: with whole conversations of the simulation (`convolake.stories`: their events, payloads
and ids), of which two fifths are messages; and with messages alone, to which the API gave their ids. The
simulation has only a few hundred sentences, which would compress to nothing, so each is replaced by words
of those sentences, drawn by frequency. These compress 2.6-fold with gzip, English prose in short pieces
2.2- to 2.5-fold.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import msgspec

from benchmarks.load import SEGMENT_ROWS
from benchmarks.paired import Goal, Level, Size
from benchmarks.synthetic import DAY, STARTED_AT, TEXT_LENGTH, Fold, as_table, uuid7
from convolake.simulate import conversations
from ingest.events.draft import Draft
from ingest.lake.compaction import compact
from ingest.lake.segments import Lake
from ingest.manifest import Segment

FIRST_DAY = date(2026, 9, 1)
SEED = 1
HOT, COMPACTED = Goal(90, 70, at_most=True), Goal(75, 55, at_most=True)
MESSAGES_ALONE = ("conversation.created", "message.created")
MIDNIGHT = STARTED_AT - 8 * 3_600 * 1_000_000
NEXT_DAY = 10
"""Events on the following day, so that the first day is closed."""


def stories(events: int) -> list[Draft]:
    """Return at least `count` events of the simulation, in order of time, with texts of 100 characters."""
    told: list[Draft] = []
    day = FIRST_DAY
    while len(told) < events:
        for script in conversations(SEED, day):
            told += msgspec.convert(script.events, list[Draft])
        day += timedelta(days=1)
    told.sort(key=lambda draft: draft.happened_at or draft.occurred_at)  # type: ignore[arg-type, return-value]
    texts = _texts([draft.text for draft in told if draft.text])
    return [
        msgspec.structs.replace(draft, text=next(texts), happened_at=None)
        if draft.text
        else msgspec.structs.replace(draft, happened_at=None)
        for draft in told
    ]


def _texts(said: list[str]) -> Iterator[str]:
    chosen = random.Random(SEED)  # noqa: S311 (a seed, not a secret)
    counted = Counter(word for line in said for word in line.split())
    words, weights = list(counted), list(accumulate(counted.values()))
    while True:
        yield " ".join(chosen.choices(words, cum_weights=weights, k=60))[:TEXT_LENGTH]


def with_ids_of_the_api(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Yield the messages among `drafts` and what opens their conversations, as if sent without ids."""
    for draft in drafts:
        if draft.event_type in MESSAGES_ALONE:
            yield msgspec.structs.replace(
                draft, event_id=None, message_id=None, in_reply_to=None, occurred_at=None
            )


def seal(lake: Lake, drafts: list[Draft]) -> Iterator[Segment]:
    """Seal `drafts` as they come in a day; the segments of that day."""
    chosen, fold = random.Random(SEED), Fold()  # noqa: S311
    step = DAY // (len(drafts) - NEXT_DAY)
    rows = []
    for number, draft in enumerate(drafts):
        at = MIDNIGHT + number * step
        known = draft.event_id or uuid7(at // 1000, chosen)
        rows += fold.take(msgspec.structs.replace(draft, event_id=known), at)
    table = as_table([msgspec.structs.astuple(row) for row in rows])
    for first in range(0, table.num_rows, SEGMENT_ROWS):
        sealed = lake.seal(table.slice(first, SEGMENT_ROWS), datetime(2030, 1, 7, tzinfo=UTC))
        yield from sealed[:1]


def measure(size: Size, work: Path) -> list[Level]:
    """Bytes of both kinds of log, hot and compacted."""
    drafts = stories(size.count(300_000, 60_000))
    kinds = {
        "whole conversations": drafts,
        "messages alone": list(with_ids_of_the_api(drafts)),
    }
    return [
        level
        for number, (name, each) in enumerate(kinds.items())
        for level in _levels(name, Lake(work / f"sizes-{number}"), each)
    ]


def _levels(name: str, lake: Lake, drafts: list[Draft]) -> Iterator[Level]:
    hot = list(seal(lake, drafts))
    compacted = list(compact(lake, datetime(2030, 1, 9, tzinfo=UTC)))
    share = sum(1 for draft in drafts if draft.text) / sum(each.rows for each in hot)
    note = f"{share:.0%} of the events have a text, of 100 characters"
    for state, goal, segments in (("hot", HOT, hot), ("compacted", COMPACTED, compacted)):
        if segments:
            rows = sum(each.rows for each in segments)
            found = sum(each.bytes for each in segments) / rows
            notes = [note, f"{rows:,} events in {len(segments)} files"]
            yield Level(f"Parquet, {name}, {state}", "B/event", [found], goal, notes)
