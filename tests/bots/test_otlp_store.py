"""Spans in the store: a conversation is read by the keys of its traces, however many spans are remembered."""

from typing import Any

import pytest
from sqlalchemy import Engine, event

from ingest.accounts import otlp_spans
from ingest.bots.otlp.grouping import Sender, WaitingSpan
from ingest.bots.otlp.reading import receive_span
from ingest.bots.otlp.span import Span
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.settings import Settings
from tests.factories import create_store

Statement = tuple[str, Any]


def make_span(trace: int, number: int) -> Span:
    return Span(
        trace_id=f"{trace:032x}", span_id=f"{number:016x}", parent_id="", name=f"call {number}",
        start=1_900_000_000_000_000_000, end=1_900_000_001_000_000_000, resource={},
        attributes={"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "c1"},
    )  # fmt: skip


@pytest.fixture
def engine(settings: Settings) -> Engine:
    """A store with two spans of two traces from each of two sources, which use the same ids."""
    create_store(settings)
    opened = open_engine(settings.database_url)
    store = Store(opened)
    store.begin(0)
    for source in ("a", "b"):
        for trace in (1, 2):
            for number in (1, 2):
                received = receive_span(make_span(trace, number))
                assert received is not None
                store.execute(otlp_spans.keep_span(Sender(source, ""), received, trace))
    store.commit()
    store.close()
    return opened


def test_only_the_wanted_spans_of_a_source_are_read(engine: Engine) -> None:
    waiting = otlp_spans.find_waiting(engine)
    assert len(waiting) == 8
    wanted = [each for each in waiting if each.sender.source == "b" and each.row_id.endswith("2")]
    found = otlp_spans.read_spans(engine, wanted)
    assert sorted((each.trace_id, each.span_id) for each in found) == [
        (f"{1:032x}", f"{2:016x}"),
        (f"{2:032x}", f"{2:016x}"),
    ]
    traces = otlp_spans.find_traces(engine, wanted)
    assert set(traces) == {("b", f"{1:032x}"), ("b", f"{2:032x}")}
    assert [each.conversations for each in traces.values()] == [["c1"], ["c1"]]


@pytest.mark.sqlite
def test_no_query_reads_the_spans_that_are_remembered(engine: Engine) -> None:
    queries: list[Statement] = []
    event.listen(
        engine, "before_cursor_execute", lambda *given: queries.append((given[2], given[3]))
    )
    waiting: list[WaitingSpan] = otlp_spans.find_waiting(engine)
    otlp_spans.find_traces(engine, waiting)
    otlp_spans.read_spans(engine, waiting)
    assert len(queries) == 5
    with engine.connect() as connection:
        for query, values in queries[:5]:
            plan = connection.exec_driver_sql(f"explain query plan {query}", values)
            steps = [row[3] for row in plan]
            assert not [each for each in steps if each.startswith("SCAN otlp_spans")], steps
