"""Pushes committed events to subscribers, in order and without a gap.

A subscriber names the last place it saw, a sequence or a cursor. It reads the log from there. Once it has
caught up, it receives commits directly. The broadcaster never waits for a slow subscriber: it drops the
buffer, and the subscriber reads the log again. So nothing is lost, and memory is bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from ingest.delivery.control_cache import ControlCache
from ingest.events.event_view import render_event
from ingest.events.stored_event import StoredEvent

MAX_BUFFERED_EVENTS = 256
"""Maximum events buffered for a subscriber that has caught up."""

PAGE_EVENTS = 200
"""Events read from the log at once for a subscriber that is behind."""

Place = TypeVar("Place")
"""Where a subscriber is: a sequence in one conversation, or a cursor of the log."""


class CommittedEvent:
    """An event that was just committed; encoded once for each view, however many subscribers there are."""

    def __init__(self, event: StoredEvent, control: ControlCache) -> None:
        """Wrap an event that is on disk."""
        self.event = event
        self._control = control

    @cached_property
    def for_all(self) -> bytes:
        """The event as staff see it, as JSON."""
        return self._render("all")

    @cached_property
    def for_customer(self) -> bytes:
        """The event as a customer sees it, as JSON."""
        return self._render("customer")

    def _render(self, view: str) -> bytes:
        event = render_event(msgspec.structs.asdict(self.event), view)
        return encode_json(self._control.add_to(event, self.event.conversation_id))


class Subscription:
    """The buffer of one subscriber. A new one is behind until it starts."""

    def __init__(self) -> None:
        """Buffer nothing yet."""
        self._buffer: list[CommittedEvent] = []
        self._waiter: asyncio.Future[None] | None = None
        self._is_behind = True
        self.typing: list[dict[str, str]] | None = None
        """Everyone who is typing, if that changed since the subscriber last read it."""

    def start(self) -> None:
        """Buffer commits from now on."""
        self._buffer.clear()
        self._is_behind = False

    def push(self, event: CommittedEvent) -> None:
        """Buffer an event. With a full buffer the subscriber falls behind."""
        if self._is_behind:
            return
        if len(self._buffer) >= MAX_BUFFERED_EVENTS:
            self._is_behind = True
            self._buffer.clear()
        else:
            self._buffer.append(event)
        self.wake_up()

    def wake_up(self) -> None:
        """Wake up the subscriber, if it waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def set_typing(self, typing: list[dict[str, str]]) -> None:
        """Replace the list of who is typing."""
        self.typing = typing
        self.wake_up()

    async def receive(self, seconds: float) -> list[CommittedEvent] | None:
        """Return the buffered events after at most `seconds`; None if the subscriber fell behind."""
        if not self._buffer and not self._is_behind and self.typing is None:
            await self._wait(seconds)
        if self._is_behind:
            return None
        events, self._buffer = self._buffer, []
        return events

    async def _wait(self, seconds: float) -> None:
        """Wait until woken up. Thousands wait: an `asyncio.Event` and `asyncio.timeout` need 2 KB more for each."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake_up)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None


class Broadcaster:
    """The subscriptions to single conversations and to the whole log. Lives on the event loop."""

    def __init__(self, control: ControlCache) -> None:
        """Start without subscriptions. `control` knows who has control of a conversation."""
        self._subscriptions: dict[str | None, set[Subscription]] = {}
        self._control = control
        self.is_stopping = False
        """Whether the server stops; then no subscriber waits for an event."""

    def stop(self) -> None:
        """Wake up every subscriber: the server stops."""
        self.is_stopping = True
        for group in self._subscriptions.values():
            for subscription in group:
                subscription.wake_up()

    @property
    def subscription_count(self) -> int:
        """Number of open subscriptions."""
        return sum(len(group) for group in self._subscriptions.values())

    @contextmanager
    def subscribe(self, conversation_id: str | None) -> Iterator[Subscription]:
        """Open a subscription to a conversation, or to the whole log (None)."""
        subscription = Subscription()
        self._subscriptions.setdefault(conversation_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            group = self._subscriptions[conversation_id]
            group.discard(subscription)
            if not group:
                del self._subscriptions[conversation_id]

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Push committed events, in order."""
        self._control.update(events)
        if not self._subscriptions:
            return
        to_all: Sequence[Subscription] = tuple(self._subscriptions.get(None, ()))
        for event in events:
            to_one: set[Subscription] = self._subscriptions.get(event.conversation_id or "", set())
            if not to_one and not to_all:
                continue
            committed = CommittedEvent(event, self._control)
            for subscription in (*to_one, *to_all):
                subscription.push(committed)

    def publish_typing(self, conversation_id: str, typing: list[dict[str, str]]) -> None:
        """Push who is typing."""
        for subscription in self._subscriptions.get(conversation_id, ()):
            subscription.set_typing(typing)


@dataclass(frozen=True)
class Feed(Generic[Place]):
    """What a subscriber follows: how to read it from the log, and how to render it."""

    conversation_id: str | None
    read: Callable[[Place], Awaitable[list[tuple[Place, bytes]]]]
    """Returns at most PAGE_EVENTS rendered events after a place, each with the place after it."""
    advance: Callable[[Place, StoredEvent], Place | None]
    """Returns the place after a committed event; None if the place is behind it already."""
    render: Callable[[CommittedEvent], bytes]


@dataclass(frozen=True)
class FeedUpdate(Generic[Place]):
    """New events with the place after each; `typing` if it changed; whether the subscriber caught up."""

    events: list[tuple[Place, bytes]]
    typing: list[dict[str, str]] | None = None
    is_caught_up: bool = False


async def stream_feed(
    broadcaster: Broadcaster, feed: Feed[Place], after: Place, seconds: float
) -> AsyncIterator[FeedUpdate[Place]]:
    """Yield everything after a place, without end; an empty update after `seconds` without events."""
    with broadcaster.subscribe(feed.conversation_id) as subscription:
        while True:
            subscription.start()
            is_caught_up = False
            while not is_caught_up:
                page = await feed.read(after)
                is_caught_up = len(page) < PAGE_EVENTS  # later commits are in the buffer
                if page:
                    after = page[-1][0]
                    yield FeedUpdate(page)
            yield FeedUpdate([], is_caught_up=True)
            while (buffered := await subscription.receive(seconds)) is not None:
                new: list[tuple[Place, bytes]] = []
                for committed in buffered:
                    place = feed.advance(after, committed.event)
                    if place is not None:
                        after = place
                        new.append((place, feed.render(committed)))
                typing, subscription.typing = subscription.typing, None
                if buffered and not new and typing is None:
                    continue  # the subscriber read these events from the log before
                yield FeedUpdate(new, typing)


def encode_json(value: Any) -> bytes:
    """Encode a value as JSON."""
    return msgspec.json.encode(value)
