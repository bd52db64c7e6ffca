"""Which spans belong to one conversation, and when it is time to convert them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

INCOMPLETE_FACTOR = 12
"""A trace whose root has not come waits so many times as long as one that is complete."""


class Sender(Struct, frozen=True):
    """The API key that sent a span: its source, and the channels that it is restricted to."""

    source: str
    channels: str = ""


class WaitingSpan(Struct, frozen=True):
    """A span that waits, without its content."""

    sender: Sender
    trace_id: str
    row_id: str
    conversation_id: str | None
    is_root: bool
    received_at: int


class TraceFacts(Struct):
    """What all spans of a trace say, also those converted before: its conversations, whether its root came."""

    conversations: list[str] = []
    has_root: bool = False


class Group(Struct, frozen=True):
    """The waiting spans of one conversation of one sender."""

    sender: Sender
    conversation_id: str
    spans: list[WaitingSpan]


def due_groups(
    waiting: Sequence[WaitingSpan],
    traces: Mapping[tuple[str, str], TraceFacts],
    settle: int,
    now: int,
) -> list[Group]:
    """Return the conversations whose spans may be converted: no further ones came for `settle` microseconds.

    While the root of a trace is missing, which may name the conversation, they wait longer.
    """
    groups: dict[tuple[Sender, str], list[WaitingSpan]] = defaultdict(list)
    for span in waiting:
        facts = traces.get((span.sender.source, span.trace_id), TraceFacts())
        groups[span.sender, _conversation(span, facts)].append(span)
    return [
        Group(sender, conversation_id, spans)
        for (sender, conversation_id), spans in groups.items()
        if _is_due(spans, traces, settle, now)
    ]


def _conversation(span: WaitingSpan, facts: TraceFacts) -> str:
    """Return the conversation that a span names, or else the only one of its trace, or else the trace itself."""
    if span.conversation_id is not None:
        return span.conversation_id
    return facts.conversations[0] if len(facts.conversations) == 1 else span.trace_id


def _is_due(
    spans: Sequence[WaitingSpan],
    traces: Mapping[tuple[str, str], TraceFacts],
    settle: int,
    now: int,
) -> bool:
    times = [each.received_at for each in spans]
    if now - min(times) >= settle * INCOMPLETE_FACTOR:
        return True
    is_complete = all(
        traces.get((each.sender.source, each.trace_id), TraceFacts()).has_root for each in spans
    )
    return is_complete and now - max(times) >= settle
