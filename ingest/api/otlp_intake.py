"""The intake of OpenTelemetry: spans are kept at once, and become events when their trace is complete."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from ingest.accounts import otlp_spans
from ingest.api.metrics import Metrics
from ingest.bots.otlp.conversion import to_drafts
from ingest.bots.otlp.grouping import Group, Sender, due_groups
from ingest.bots.otlp.reading import (
    Received,
    UnreadableSpanError,
    read,
    receive_log,
    receive_span,
    without_old_time,
)
from ingest.bots.otlp.span import Decoded
from ingest.channels.errors import RejectedCallError
from ingest.clock import Clock
from ingest.errors import LogUnavailableError
from ingest.events.foreign_ids import to_id
from ingest.events.history import HISTORY_AGE
from ingest.log.span_history import read_span_history
from ingest.log.storage.statements import Bound
from ingest.log.writer import Writer
from ingest.log.writer_requests import Append, Execute, IncomingEvent

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.5
"""Interval at which spans are checked that wait."""

PURGE_SECONDS = 3_600.0

REMEMBERED = 24 * 3_600 * 1_000_000
"""Microseconds for which the ids of converted spans are kept."""

GROUPS_AT_ONCE = 50
"""Conversations whose events are submitted together."""


class OtlpIntake:
    """Takes spans and log records, and converts them in the background."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        metrics: Metrics,
        clock: Clock,
        settle: int,
        *,
        has_peers: bool,
    ) -> None:
        """`engine` only reads; `settle`: microseconds after the last span of a conversation.

        `has_peers`: other processes may take spans too, which this one converts.
        """
        self._engine = engine
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._settle = settle
        self._has_peers = has_peers
        self._may_wait = True
        self._converts = asyncio.Lock()

    async def take(
        self, sender: Sender, decode: Callable[[], Decoded], *, keeps_times: bool
    ) -> list[str]:
        """Keep what a request holds; return why parts of it were rejected. Raises LogUnavailableError.

        Without `keeps_times`, older times than those of an exporter that was cut off do not count.
        Safe to repeat: a span is known by its ids. When this returns, the spans are on disk.
        """
        statements, rejected = await run_in_threadpool(self._read, sender, decode, keeps_times)
        if statements:
            await self._writer.execute(Execute(statements))
            self._may_wait = True
        return rejected

    def _read(
        self, sender: Sender, decode: Callable[[], Decoded], keeps_times: bool
    ) -> tuple[list[Bound], list[str]]:
        """Return the statements that keep what a request says, and why parts of it cannot be read."""
        decoded, now = decode(), self._clock()
        rejected = list(decoded.rejected)
        found = [
            *_receive(receive_span, decoded.spans, rejected),
            *_receive(receive_log, decoded.logs, rejected),
        ]
        if not keeps_times:
            found = [without_old_time(each, now, HISTORY_AGE) for each in found]
        return [otlp_spans.keep_span(sender, each, now) for each in found], rejected

    # --- in the background

    async def convert(self) -> None:
        """Store the events of complete traces, without end."""
        while True:
            with suppress(LogUnavailableError):
                await self.convert_once()
            await asyncio.sleep(POLL_SECONDS)

    async def convert_once(self) -> None:
        """Store the events of the conversations whose spans are complete."""
        async with self._converts:
            if self._may_wait or self._has_peers:
                await self._convert_due()

    async def _convert_due(self) -> None:
        self._may_wait = False
        try:
            due, is_left = await run_in_threadpool(self._find_due)
            for start in range(0, len(due), GROUPS_AT_ONCE):
                groups = due[start : start + GROUPS_AT_ONCE]
                appends = await run_in_threadpool(self._append_all, groups)
                await asyncio.gather(*(self._submit(each) for each in appends))
        except BaseException:
            self._may_wait = True
            raise
        self._may_wait = self._may_wait or is_left

    def _find_due(self) -> tuple[list[Group], bool]:
        """Return the conversations that may be converted, and whether other spans wait."""
        now = self._clock()  # before the spans are read: none is missing that came by then
        waiting = otlp_spans.find_waiting(self._engine)
        traces = otlp_spans.find_traces(self._engine, waiting)
        due = due_groups(waiting, traces, self._settle, now)
        is_left = sum(len(each.spans) for each in due) < len(waiting) or (
            len(waiting) == otlp_spans.READ_AT_ONCE
        )
        return due, is_left

    def _append_all(self, groups: Sequence[Group]) -> list[Append]:
        return [self._append(each) for each in groups]

    def _append(self, group: Group) -> Append:
        """Return the request that stores a conversation's events and ends the wait of its spans, in one commit."""
        try:
            events = self._events(group)
        except Exception:
            logger.exception("the spans of a conversation could not be converted")
            events = [_unconverted(group)]
        return Append(
            group.sender.source,
            "/v1/events",
            len(events),
            events,
            channels=frozenset(filter(None, group.sender.channels.split(","))),
            statements=otlp_spans.mark_converted(group.spans, self._clock()),
        )

    def _events(self, group: Group) -> list[IncomingEvent]:
        known = read_span_history(self._engine, to_id(group.conversation_id))
        drafts = to_drafts(
            group.conversation_id,
            [read(each) for each in otlp_spans.read_spans(self._engine, group.spans)],
            known.messages,
            known.tools,
            known.event_ids,
            exists=known.exists,
        )
        return [IncomingEvent(msgspec.json.encode(each), each) for each in drafts]

    async def _submit(self, append: Append) -> None:
        self._metrics.count_received(append.received)
        self._metrics.count_acknowledgements(await self._writer.submit(append))

    async def purge(self) -> None:
        """Forget the ids of spans that were converted long ago, without end."""
        while True:
            with suppress(LogUnavailableError):
                before = self._clock() - REMEMBERED
                await self._writer.execute(Execute([otlp_spans.forget_converted(before)]))
            await asyncio.sleep(PURGE_SECONDS)


def _unconverted(group: Group) -> IncomingEvent:
    """Return the rejected event of spans that could not be converted: it names them."""
    names = [f"{each.trace_id}/{each.row_id}" for each in group.spans]
    raw = msgspec.json.encode({"conversation_id": group.conversation_id, "spans": names})
    return IncomingEvent(raw, error=RejectedCallError("the spans could not be converted"))


def _receive(
    receive: Callable[[T], Received | None], records: Sequence[T], rejected: list[str]
) -> Iterator[Received]:
    """Yield the records to keep; append to `rejected` why others cannot be read."""
    for each in records:
        try:
            found = receive(each)
        except UnreadableSpanError as error:
            rejected.append(str(error))
        except Exception:
            logger.exception("a span could not be read")
            rejected.append("the span cannot be read")
        else:
            if found is not None:
                yield found
