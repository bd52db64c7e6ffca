"""Times of spans that are too old to count: none of a conversation's times counts then."""

import pytest

from ingest.bots.otlp.conversion import to_drafts
from ingest.bots.otlp.reading import read, receive_span, without_old_time
from ingest.bots.otlp.span import Span

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = 1_900_000_000_000_000


def span(number: int, start: int, end: int) -> Span:
    """A model call that began and ended at these microseconds."""
    return Span(
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        parent_id="",
        name="chat",
        start=start * 1000,
        end=end * 1000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": "c1",
            "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"question {number}"}}]}}]',
            "gen_ai.output.messages": f'[{{"role":"assistant","parts":[{{"type":"text","content":"answer {number}"}}]}}]',
        },
        resource={},
    )


def happened(*spans: Span) -> list[bool]:
    """Whether each event of the spans has the time that its span says."""
    received = [receive_span(each) for each in spans]
    kept = [without_old_time(each, NOW, DAY).record for each in received if each is not None]
    drafts = to_drafts("c1", [read(each) for each in kept])
    assert len(drafts) > 2 * len(spans)
    return [draft.happened_at == draft.occurred_at for draft in drafts]


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        (NOW - 23 * HOUR, NOW - 22 * HOUR, True),
        (NOW - 25 * HOUR, NOW - 1 * HOUR, False),
        (NOW - 26 * HOUR, NOW - 25 * HOUR, False),
    ],
)
def test_a_span_that_began_more_than_a_day_ago_gives_no_event_its_time(
    start: int, end: int, counts: bool
) -> None:
    assert set(happened(span(1, start, end))) == {counts}


def test_an_old_span_takes_the_times_of_newer_ones_of_its_conversation_along() -> None:
    old = span(1, NOW - 26 * HOUR, NOW - 25 * HOUR)
    newer = span(2, NOW - 23 * HOUR, NOW - 22 * HOUR)
    assert set(happened(newer)) == {True}
    assert set(happened(old, newer)) == {False}
