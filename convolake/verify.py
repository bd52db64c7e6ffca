"""Verifies the record: the log has no gap, the lake is what was sealed, the warehouse equals both.

Reads everything again and compares value by value. Reads the log with ADBC only: a second SQLite in this
process would cancel its locks.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from convolake import verify_merges
from convolake.verify_figures import check_figures
from convolake.verify_warehouse import Check, check_warehouse, snapshot, unloaded
from ingest.contract import Cursor
from ingest.events.contact_state import decode_contact
from ingest.events.conversation_state import decode_conversation
from ingest.events.message_state import decode_message
from ingest.events.review_state import decode_review, decode_sample, decode_scorecard
from ingest.lake.log_reader import LogReader, open_log
from ingest.log.cursor import distance
from ingest.manifest import ManifestError, Segment, is_intact, read_manifest, sealed_cursor
from ingest.settings import Settings


@dataclass
class Verdict:
    """All checks, and the events that are not sealed or loaded yet: neither lost nor wrong."""

    checks: list[Check] = field(default_factory=list)
    events: int = 0
    unsealed_events: int = 0
    unloaded_events: int = 0

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        return {
            "ok": self.ok,
            "events": self.events,
            "unsealed_events": self.unsealed_events,
            "unloaded_events": self.unloaded_events,
            "checks": [vars(check) for check in self.checks],
        }


def verify(settings: Settings, on_check: Callable[[Check], None] = lambda _: None) -> Verdict:
    """Check the whole record; `on_check` gets each result."""
    verdict = Verdict()
    for check in _checks(settings, verdict):
        verdict.checks.append(check)
        on_check(check)
    return verdict


def save(verdict: Verdict, path: Path, finished_at: datetime) -> None:
    """Write the result for the dashboard, whole or not at all. Without a data folder, write nothing."""
    if not path.parent.exists():
        return
    report = {"finished_at": finished_at.isoformat(), **verdict.as_json()}
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(report, indent=2))
    unfinished.replace(path)


def _checks(settings: Settings, verdict: Verdict) -> Iterator[Check]:
    try:
        reader = open_log(settings)
    except FileNotFoundError:
        place = "the database" if settings.store_url else settings.data
        yield Check("log", ok=False, detail=f"no log in {place}; `convolake serve` creates one")
        return
    with reader as log:
        yield from _check_record(settings, verdict, log)


def _check_record(settings: Settings, verdict: Verdict, log: LogReader) -> Iterator[Check]:
    # Read each part before the part that it is made from: later events are then ahead, never missing.
    with snapshot(settings.warehouse_path) as warehouse:
        try:
            segments, _ = read_manifest(settings.lake_path)
        except ManifestError as error:
            yield Check("the manifest is whole", ok=False, detail=str(error))
            return
        head = log.head()
        verdict.events = sum(head.values())
        verdict.unsealed_events = distance(sealed_cursor(segments), head)
        verdict.unloaded_events = sum(span.rows for span in unloaded(warehouse, segments))
        yield from _check_log(log, verdict.events)
        yield _check_states(log)
        yield verify_merges.check_store(log)
        yield _check_manifest(segments, head)
        lake = settings.lake_path
        good = [segment for segment in segments if is_intact(lake, segment)]
        yield _check_files(lake, segments, good)
        yield _check_parquet(lake, good, log, head)
        yield from check_warehouse(warehouse, lake, segments, good, settings.reporting_zone)
        if warehouse is not None:
            yield from check_figures(warehouse)
            yield verify_merges.check_warehouse(warehouse)


_LOG_CHECKS = {
    "log positions are 1 to n": """
        select shard, position + 1 as missing_position from events as here
        where position < (select max(position) from events as last where last.shard = here.shard)
            and not exists (
                select 1 from events as next
                where next.shard = here.shard and next.position = here.position + 1
            )
        union all
        select shard, 1 from events group by shard having min(position) > 1
        limit 3
    """,
    "sequences are 1 to n in each conversation": """
        select conversation_id, count(*) as events, min(sequence) as first, max(sequence) as last
        from events where conversation_id is not null group by conversation_id
        having min(sequence) <> 1 or max(sequence) <> count(*) or count(distinct sequence) <> count(*)
        limit 3
    """,
    "the state of each conversation is that of its last event": """
        select events.conversation_id, max(events.sequence) as last,
            max(conversations.last_sequence) as state
        from events left join conversations on conversations.conversation_id = events.conversation_id
        where events.conversation_id is not null
        group by events.conversation_id
        having max(conversations.last_sequence) is null
            or max(events.sequence) <> max(conversations.last_sequence)
        limit 3
    """,
    "received = sum of results, in each source": """
        select * from ingest_stats where received <> accepted + duplicate + conflict + rejected + parked limit 3
    """,
    "stored = accepted + generated": """
        select stored, counted from (
            select (select count(*) from events) as stored,
                (select coalesce(sum(accepted + generated), 0) from ingest_stats) as counted
        ) as figures where stored <> counted
    """,
    "parked events are kept": """
        select kept, waiting from (
            select (select count(*) from parked_events) as kept,
                (select coalesce(sum(parked), 0) from ingest_stats) as waiting
        ) as figures where kept <> waiting
    """,
    "rejected events are kept": """
        select kept, rejected from (
            select (select count(*) from rejected_events) as kept,
                (select coalesce(sum(conflict + rejected), 0) from ingest_stats) as rejected
        ) as figures where kept <> rejected
    """,
    "every scorecard, sample and review has its state": """
        select event_id, event_type from events
        where (
                event_type = 'review.submitted'
                and not exists (
                    select 1 from reviews
                    where review_id = event_id and reviews.position = events.position
                )
            ) or (
                event_type = 'review.sampled'
                and not exists (
                    select 1 from review_samples where review_samples.position = events.position
                )
            ) or (
                event_type = 'scorecard.published'
                and not exists (
                    select 1 from scorecards where scorecards.position = events.position
                )
            )
        limit 3
    """,
    "no event is stored twice": """
        select source, event_id from events group by source, event_id having count(*) > 1 limit 3
    """,
}


def _check_log(log: LogReader, events: int) -> Iterator[Check]:
    for name, query in _LOG_CHECKS.items():
        found = log.query(query).to_pylist()
        yield Check(
            name,
            ok=not found,
            detail=f"first: {found[0]}" if found else f"{events:,} events",
        )


_STATES: dict[str, tuple[str, Callable[[bytes], object]]] = {
    "conversation": (
        "select conversation_id, projection from conversations",
        decode_conversation,
    ),
    "message": (
        "select conversation_id || '/' || message_id, projection from messages",
        decode_message,
    ),
    "contact": ("select contact_id, projection from contacts", decode_contact),
    "scorecard": ("select name || '/' || version, projection from scorecards", decode_scorecard),
    "sample": ("select sample_id, projection from review_samples", decode_sample),
    "review": ("select review_id, projection from reviews", decode_review),
}
"""Of each kind of state: its rows as (key, projection), and its decoder."""


def _check_states(log: LogReader) -> Check:
    """Decode every state. The API repairs a damaged one when it reads it, and stores it with the next event."""
    unreadable: list[str] = []
    count = 0
    for kind, (query, decode) in _STATES.items():
        keys, projections = log.query(query).columns
        count += len(keys)
        for key, projection in zip(keys, projections, strict=True):
            try:
                decode(projection.as_py())
            except (msgspec.MsgspecError, UnicodeDecodeError):
                unreadable.append(f"{kind} {key}")
    detail = f"{len(unreadable)}, first {unreadable[0]}" if unreadable else f"{count:,} states"
    return Check("every state can be read", ok=not unreadable, detail=detail)


def _check_manifest(segments: list[Segment], head: Cursor) -> Check:
    name = "the manifest is whole"
    first = {segment.shard: segment.first_position for segment in reversed(segments)}
    for shard, sealed in sealed_cursor(segments).items():
        if first[shard] != 1:
            detail = f"shard {shard} starts at position {first[shard]}"
            return Check(name, ok=False, detail=detail)
        if sealed > head.get(shard, 0):
            detail = f"shard {shard} ends at position {sealed}, the log at {head.get(shard, 0)}"
            return Check(name, ok=False, detail=detail)
    return Check(name, ok=True, detail=f"{len(segments):,} segments")


def _check_files(lake: Path, segments: list[Segment], good: list[Segment]) -> Check:
    name = "segments are the bytes that were sealed"
    present = {path for path in lake.glob("events/**/*") if path.is_file()}
    # A segment sealed since the manifest was read is known too; a temporary file is ignored.
    sealed, _ = read_manifest(lake)
    known = {lake / each.path for one in (*segments, *sealed) for each in (one, *one.replaces)}
    unknown = sorted(path for path in present - known if path.suffix != ".tmp" and path.exists())
    damaged = [segment.path for segment in segments if segment not in good]
    if damaged:
        return Check(
            name, ok=False, detail=f"{len(damaged)} damaged or missing, first {damaged[0]}"
        )
    if unknown:
        return Check(
            name,
            ok=False,
            detail=f"{len(unknown)} files that are not in the manifest, first {unknown[0].relative_to(lake)}",
        )
    return Check(name, ok=True, detail=f"{sum(segment.bytes for segment in segments):,} bytes")


def _check_parquet(lake: Path, good: list[Segment], log: LogReader, head: Cursor) -> Check:
    """Compare shard by shard: a cursor at the end of all other shards reads one shard only."""
    name = "log and Parquet hold the same events"
    for segment in good:
        after = segment.first_position - 1
        for stored in _parts(lake / segment.path):
            place = _difference(stored, log.read({**head, segment.shard: after}, stored.num_rows))
            if place is not None:
                return Check(name, ok=False, detail=f"{segment.path}: {place}")
            after += stored.num_rows
    return Check(name, ok=True, detail=f"{sum(segment.rows for segment in good):,} events compared")


def _parts(path: Path) -> Iterator[pa.Table]:
    """Yield a segment in parts that fit into memory: a compacted one has up to a million events."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def _difference(stored: pa.Table, logged: pa.Table) -> str | None:
    if stored.num_rows != logged.num_rows:
        return f"{stored.num_rows} events, the log has {logged.num_rows} there"
    for name in stored.column_names:
        if not stored[name].combine_chunks().equals(logged[name].combine_chunks()):
            return f"column {name} differs"
    return None
