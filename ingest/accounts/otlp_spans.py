"""Spans in the store: they wait until their trace is complete, and their ids are remembered for a while."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import ClauseElement, ColumnElement, Engine, and_, bindparam, delete, select, update

from ingest.accounts.insert_once import insert_once
from ingest.bots.otlp.grouping import Sender, TraceFacts, WaitingSpan
from ingest.bots.otlp.reading import Received
from ingest.bots.otlp.span import Record, Span
from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import otlp_spans

T = TypeVar("T")

READ_AT_ONCE = 20_000
"""Maximum number of waiting spans that are read together."""

IDS_AT_ONCE = 500

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def keep_span(sender: Sender, received: Received, now: int) -> Bound:
    """Return the statement that keeps a span or a log record. Safe to repeat."""
    record = received.record
    body = _ENCODER.encode(record)
    row_id = record.span_id
    if not isinstance(record, Span):  # a span may have several
        row_id = f"{row_id}/{hashlib.sha256(body).hexdigest()[:16]}"
    return insert_once(
        otlp_spans,
        source=sender.source,
        trace_id=record.trace_id,
        span_id=row_id,
        channels=sender.channels,
        conversation_id=received.conversation_id,
        is_root=received.is_root,
        received_at=now,
        converted_at=None,
        body=body,
    )


def find_waiting(engine: Engine) -> list[WaitingSpan]:
    """Return the spans that wait, the oldest first."""
    table = otlp_spans
    query = (
        select(
            table.c.source,
            table.c.channels,
            table.c.trace_id,
            table.c.span_id,
            table.c.conversation_id,
            table.c.is_root,
            table.c.received_at,
        )
        .where(table.c.converted_at.is_(None))
        .order_by(table.c.received_at)
        .limit(READ_AT_ONCE)
    )
    with engine.connect() as connection:
        return [
            WaitingSpan(Sender(row[0], row[1]), *row[2:5], bool(row[5]), row[6])
            for row in connection.execute(query)
        ]


def find_traces(
    engine: Engine, spans: Sequence[WaitingSpan]
) -> Mapping[tuple[str, str], TraceFacts]:
    """Return the facts of the traces of spans, by source and id."""
    table = otlp_spans
    columns = (table.c.trace_id, table.c.conversation_id, table.c.is_root)
    facts: dict[tuple[str, str], TraceFacts] = defaultdict(TraceFacts)
    with engine.connect() as connection:
        for source, are_these in _of_traces(spans):
            query = select(*columns).distinct().where(are_these).order_by(table.c.conversation_id)
            for trace_id, conversation_id, is_root in connection.execute(query):
                found = facts[source, trace_id]
                found.has_root = found.has_root or bool(is_root)
                if conversation_id is not None and conversation_id not in found.conversations:
                    found.conversations.append(conversation_id)
    return facts


def read_spans(engine: Engine, spans: Sequence[WaitingSpan]) -> list[Record]:
    """Return the content of spans, in any order."""
    table = otlp_spans
    wanted = {(each.sender.source, each.trace_id, each.row_id) for each in spans}
    found: list[Record] = []
    with engine.connect() as connection:
        for source, are_these in _of_traces(spans):
            query = select(table.c.trace_id, table.c.span_id, table.c.body).where(are_these)
            found += [
                _DECODER.decode(body)
                for trace_id, row_id, body in connection.execute(query)
                if (source, trace_id, row_id) in wanted
            ]
    return found


def _of_traces(spans: Iterable[WaitingSpan]) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """Yield conditions for all rows of the traces of spans, each with its source.

    SQLite finds rows by the first columns of the primary key, but not by a list of whole keys: it would read the
    whole table for each conversation.
    """
    traces: dict[str, dict[str, None]] = defaultdict(dict)
    for each in spans:
        traces[each.sender.source][each.trace_id] = None
    for source, ids in traces.items():
        for some in _parts(list(ids)):
            yield source, and_(otlp_spans.c.source == source, otlp_spans.c.trace_id.in_(some))


_CONVERTED = (
    update(otlp_spans)
    .where(
        otlp_spans.c.source == bindparam("of_source"),
        otlp_spans.c.trace_id == bindparam("of_trace"),
        otlp_spans.c.span_id == bindparam("of_span"),
    )
    .values(converted_at=bindparam("at"), body=bindparam("nothing"))
)


def mark_converted(spans: Iterable[WaitingSpan], now: int) -> list[Bound]:
    """Return the statements that end the wait of spans, and forget their content."""
    return [
        Bound(
            _CONVERTED,
            {
                "of_source": each.sender.source,
                "of_trace": each.trace_id,
                "of_span": each.row_id,
                "at": now,
                "nothing": b"",
            },
        )
        for each in spans
    ]


def forget_converted(before: int) -> ClauseElement:
    """Return the statement that deletes the ids of spans converted before an instant."""
    return delete(otlp_spans).where(otlp_spans.c.converted_at < before)


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), IDS_AT_ONCE):
        yield values[start : start + IDS_AT_ONCE]
