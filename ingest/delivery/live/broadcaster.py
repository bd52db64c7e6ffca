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

from ingest.events.event_view import render_event
from ingest.events.stored_event import StoredEvent

MAX_BUFFERED_EVENTS = 256
"""So many events are kept for a listener that is level with the log."""

PAGE_EVENTS = 200
"""So many events are read from the log at once for a listener that is behind."""


class CommittedEvent:
    """An event that was just committed; encoded once for each view, however many listen."""

    def __init__(self, row: StoredEvent) -> None:
        """`row` is on disk."""
        self.row = row

    @cached_property
    def for_all(self) -> bytes:
        """What those of us see."""
        return encode_json(render_event(msgspec.structs.asdict(self.row), "all"))

    @cached_property
    def for_customer(self) -> bytes:
        """What a customer sees."""
        return encode_json(render_event(msgspec.structs.asdict(self.row), "customer"))


class Subscription:
    """One who listens; behind the log at first."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: deque[CommittedEvent] = deque()
        self._woken = asyncio.Event()
        self._is_behind = True
        self.typing: list[dict[str, str]] | None = None
        """Everybody who types now, if that changed since it was last taken."""

    def start(self) -> None:
        """Keep what is committed from now on."""
        self._kept.clear()
        self._is_behind = False

    def push(self, event: CommittedEvent) -> None:
        """Keep it, or fall behind."""
        if self._is_behind:
            return
        if len(self._kept) >= MAX_BUFFERED_EVENTS:
            self._is_behind = True
            self._kept.clear()
        else:
            self._kept.append(event)
        self._woken.set()

    def set_typing(self, typists: list[dict[str, str]]) -> None:
        """Who types now; replaces what was told before."""
        self.typing = typists
        self._woken.set()

    async def receive(self, seconds: float) -> list[CommittedEvent] | None:
        """What was kept, after at most `seconds`; None if it fell behind."""
        if not self._kept and not self._is_behind and self.typing is None:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
        if self._is_behind:
            return None
        kept = list(self._kept)
        self._kept.clear()
        return kept


class Broadcaster:
    """Who listens to which conversation, and who to all of them. Lives on the event loop."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: dict[str | None, set[Subscription]] = {}

    @property
    def subscription_count(self) -> int:
        """How many listen."""
        return sum(len(group) for group in self._listeners.values())

    @contextmanager
    def subscribe(self, conversation_id: str | None) -> Iterator[Subscription]:
        """Somebody who listens to a conversation, or to all of them."""
        listener = Subscription()
        self._listeners.setdefault(conversation_id, set()).add(listener)
        try:
            yield listener
        finally:
            group = self._listeners[conversation_id]
            group.discard(listener)
            if not group:
                del self._listeners[conversation_id]

    def publish(self, rows: Sequence[StoredEvent]) -> None:
        """Hand on what was committed, in its order."""
        if not self._listeners:
            return
        everywhere = self._listeners.get(None, ())
        for row in rows:
            here = self._listeners.get(row.conversation_id or "", ())
            if not here and not everywhere:
                continue
            event = CommittedEvent(row)
            for listener in (*here, *everywhere):
                listener.push(event)

    def publish_typing(self, conversation_id: str, typists: list[dict[str, str]]) -> None:
        """Hand on who types."""
        for listener in self._listeners.get(conversation_id, ()):
            listener.set_typing(typists)


class Feed(NamedTuple):
    """What somebody follows: how its events are placed, read and rendered."""

    conversation_id: str | None
    place_of: Callable[[StoredEvent], int]
    read: Callable[[int], Awaitable[list[tuple[int, bytes]]]]
    """Events after a place, at most PAGE_EVENTS of them, as they are rendered."""
    frame: Callable[[CommittedEvent], bytes]


class FeedUpdate(NamedTuple):
    """What is new: events with their places; `typists` if that changed; whether it is level."""

    events: list[tuple[int, bytes]]
    typing: list[dict[str, str]] | None = None
    is_caught_up: bool = False


async def stream_feed(
    hub: Broadcaster, feed: Feed, after: int, seconds: float
) -> AsyncIterator[FeedUpdate]:
    """All that comes after `after`, for ever; an empty update if nothing came for `seconds`."""
    with hub.subscribe(feed.conversation_id) as listener:
        while True:
            listener.start()
            is_level = False
            while not is_level:
                page = await feed.read(after)
                is_level = (
                    len(page) < PAGE_EVENTS
                )  # what is committed since it was asked for is kept
                if page:
                    after = page[-1][0]
                    yield FeedUpdate(page)
            yield FeedUpdate([], is_caught_up=True)
            while (kept := await listener.receive(seconds)) is not None:
                fresh = [each for each in kept if feed.place_of(each.row) > after]
                if fresh:
                    after = feed.place_of(fresh[-1].row)
                typists, listener.typing = listener.typing, None
                if kept and not fresh and typists is None:
                    continue  # it was read from the log before it was handed on
                yield FeedUpdate(
                    [(feed.place_of(each.row), feed.frame(each)) for each in fresh], typists
                )


def encode_json(value: Any) -> bytes:
    """JSON."""
    return msgspec.json.encode(value)
