"""Live delivery: what is committed goes at once to those who listen, in order, without a hole.

A listener names the last place that it saw. It reads the log from there, and once it is level it
is handed what is committed. One that cannot keep up is not waited for: it reads the log again, at
its own pace. So nothing is lost, and memory is bounded.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from ingest.events.event_view import shown
from ingest.events.stored_event import Row

KEPT = 256
"""So many events are kept for a listener that is level with the log."""

PAGE = 200
"""So many events are read from the log at once for a listener that is behind."""


class Committed:
    """An event that was just committed; encoded once for each view, however many listen."""

    def __init__(self, row: Row) -> None:
        """`row` is on disk."""
        self.row = row

    @cached_property
    def for_all(self) -> bytes:
        """What those of us see."""
        return encode(shown(msgspec.structs.asdict(self.row), "all"))

    @cached_property
    def for_customer(self) -> bytes:
        """What a customer sees."""
        return encode(shown(msgspec.structs.asdict(self.row), "customer"))


class Listener:
    """One who listens; behind the log at first."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: deque[Committed] = deque()
        self._woken = asyncio.Event()
        self._is_behind = True
        self.typists: list[dict[str, str]] | None = None
        """Everybody who types now, if that changed since it was last taken."""

    def begin(self) -> None:
        """Keep what is committed from now on."""
        self._kept.clear()
        self._is_behind = False

    def offer(self, event: Committed) -> None:
        """Keep it, or fall behind."""
        if self._is_behind:
            return
        if len(self._kept) >= KEPT:
            self._is_behind = True
            self._kept.clear()
        else:
            self._kept.append(event)
        self._woken.set()

    def tell(self, typists: list[dict[str, str]]) -> None:
        """Who types now; replaces what was told before."""
        self.typists = typists
        self._woken.set()

    async def take(self, seconds: float) -> list[Committed] | None:
        """What was kept, after at most `seconds`; None if it fell behind."""
        if not self._kept and not self._is_behind and self.typists is None:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
        if self._is_behind:
            return None
        kept = list(self._kept)
        self._kept.clear()
        return kept


class Hub:
    """Who listens to which conversation, and who to all of them. Lives on the event loop."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: dict[str | None, set[Listener]] = {}

    @property
    def count(self) -> int:
        """How many listen."""
        return sum(len(group) for group in self._listeners.values())

    @contextmanager
    def listening(self, conversation_id: str | None) -> Iterator[Listener]:
        """Somebody who listens to a conversation, or to all of them."""
        listener = Listener()
        self._listeners.setdefault(conversation_id, set()).add(listener)
        try:
            yield listener
        finally:
            group = self._listeners[conversation_id]
            group.discard(listener)
            if not group:
                del self._listeners[conversation_id]

    def publish(self, rows: Sequence[Row]) -> None:
        """Hand on what was committed, in its order."""
        if not self._listeners:
            return
        everywhere = self._listeners.get(None, ())
        for row in rows:
            here = self._listeners.get(row.conversation_id or "", ())
            if not here and not everywhere:
                continue
            event = Committed(row)
            for listener in (*here, *everywhere):
                listener.offer(event)

    def tell(self, conversation_id: str, typists: list[dict[str, str]]) -> None:
        """Hand on who types."""
        for listener in self._listeners.get(conversation_id, ()):
            listener.tell(typists)


class Feed(NamedTuple):
    """What somebody follows: how its events are placed, read and shown."""

    conversation_id: str | None
    place: Callable[[Row], int]
    read: Callable[[int], Awaitable[list[tuple[int, bytes]]]]
    """Events after a place, at most PAGE of them, as they are shown."""
    frame: Callable[[Committed], bytes]


class Update(NamedTuple):
    """What is new: events with their places; `typists` if that changed; whether it is level."""

    events: list[tuple[int, bytes]]
    typists: list[dict[str, str]] | None = None
    is_level: bool = False


async def follow(hub: Hub, feed: Feed, after: int, seconds: float) -> AsyncIterator[Update]:
    """All that comes after `after`, for ever; an empty update if nothing came for `seconds`."""
    with hub.listening(feed.conversation_id) as listener:
        while True:
            listener.begin()
            is_level = False
            while not is_level:
                page = await feed.read(after)
                is_level = len(page) < PAGE  # what is committed since it was asked for is kept
                if page:
                    after = page[-1][0]
                    yield Update(page)
            yield Update([], is_level=True)
            while (kept := await listener.take(seconds)) is not None:
                fresh = [each for each in kept if feed.place(each.row) > after]
                if fresh:
                    after = feed.place(fresh[-1].row)
                typists, listener.typists = listener.typists, None
                if kept and not fresh and typists is None:
                    continue  # it was read from the log before it was handed on
                yield Update([(feed.place(each.row), feed.frame(each)) for each in fresh], typists)


def encode(value: Any) -> bytes:
    """JSON."""
    return msgspec.json.encode(value)
