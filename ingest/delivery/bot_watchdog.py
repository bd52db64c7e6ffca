"""The bot watchdog: a customer message that a bot's webhook does not accept in time is a failed turn.

It records each such message once, as `bot.turn_failed`; the log's own rules (`hand_off_on_bot_failure`)
decide what follows. Undelivered events are in two places: in the delivery queue, and in the log after the
cursor of a webhook whose deliveries are paused.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple
from uuid import uuid5

import msgspec
from sqlalchemy import ClauseElement, Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.clock import Clock
from ingest.contract import NAMESPACE, Cursor
from ingest.delivery import queue, webhook_registry
from ingest.delivery.destinations.webhook import Webhook
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.queue import DeliveryKey
from ingest.delivery.webhook_registry import WebhookRegistry
from ingest.errors import LogUnavailableError, UnreadableStateError
from ingest.events.conversation_state import BOT
from ingest.events.draft import Command, Draft
from ingest.events.stored_event import SYSTEM_SOURCE
from ingest.log import queries
from ingest.log.cursor import distance, furthest
from ingest.log.writer import Writer
from ingest.log.writer_requests import Append, Execute, IncomingEvent

logger = logging.getLogger(__name__)

SOURCE = f"{SYSTEM_SOURCE}~webhooks"
"""Source of the failed turns. They are appended like client events, so they are counted like them."""

PAGE_EVENTS = 200
"""Maximum events checked at once."""

SAVE_EVERY_EVENTS = 10_000
"""Maximum distance between the saved cursor and the last checked event."""

POLL_SECONDS = 1.0
"""Interval of the checks."""


class _Check(NamedTuple):
    """The result of one check."""

    failed_turns: list[IncomingEvent]
    statements: list[ClauseElement]
    cursor: Cursor
    has_more: bool


class BotWatchdog:
    """Records failed turns of bots. `run` it on the event loop of the API."""

    def __init__(
        self,
        registry: WebhookRegistry,
        dispatcher: Dispatcher,
        writer: Writer,
        engine: Engine,
        clock: Clock,
        timeout_seconds: float,
    ) -> None:
        """`timeout_seconds`: how long a bot's webhook has to accept a message."""
        self._registry = registry
        self._dispatcher = dispatcher
        self._writer = writer
        self._engine = engine
        self._clock = clock
        self._timeout = int(timeout_seconds * 1_000_000)
        self._checked: dict[str, Cursor] = {}

    async def run(self) -> None:
        """Check every bot's webhook at an interval, until cancelled."""
        while True:
            try:
                for webhook in await run_in_threadpool(
                    webhook_registry.list_webhooks, self._engine
                ):
                    if webhook.bot_id is not None and self._is_due(webhook):
                        await self.check(webhook.webhook_id)
            except LogUnavailableError:
                pass  # the writer reports it; the next check finds the same events
            except Exception:
                logger.exception("a check of the bots failed; retrying")
            await asyncio.sleep(POLL_SECONDS)

    def _is_due(self, webhook: Webhook) -> bool:
        """Return whether the dispatcher has run: after a restart the bot gets the event first."""
        webhook_id, dispatcher = webhook.webhook_id, self._dispatcher
        is_served = dispatcher.is_caught_up(webhook_id) or dispatcher.is_paused(webhook_id)
        return webhook.disabled_at is not None or is_served

    async def check(self, webhook_id: str) -> None:
        """Record the failed turns of a webhook's bot, each once. Raises LogUnavailableError."""
        has_more = True
        while has_more:
            result = await run_in_threadpool(self._check, webhook_id)
            if result.failed_turns:
                path = f"/v1/webhooks/{webhook_id}"
                turns = result.failed_turns
                await self._writer.submit(Append(SOURCE, path, len(turns), turns))
            # After a crash between the two, the same events get the same ids and are duplicates.
            if result.statements:
                await self._writer.execute(Execute(result.statements))
            self._checked[webhook_id] = result.cursor
            has_more = result.has_more

    def _check(self, webhook_id: str) -> _Check:
        webhook = webhook_registry.get_webhook(self._engine, webhook_id)
        if webhook is None or webhook.bot_id is None:
            return _Check([], [], {}, has_more=False)
        now = self._clock()
        is_disabled = webhook.disabled_at is not None
        before = now if is_disabled else now - self._timeout
        queued = queue.list_overdue(self._engine, webhook_id, before, PAGE_EVENTS)
        statements = [queue.mark_checked(_key(webhook, event)) for event in queued]
        events, has_more = list(queued), len(queued) == PAGE_EVENTS
        cursor = furthest(
            webhook.cursor, webhook.watchdog_cursor, self._checked.get(webhook_id, {})
        )
        if is_disabled or self._dispatcher.is_paused(webhook_id):
            page = self._read_overdue(cursor, before)
            destination = self._registry.destination(webhook)
            events += [event for event in page if destination.wants(event)]
            has_more |= len(page) == PAGE_EVENTS
            cursor = {**cursor, **{event["shard"]: event["position"] for event in page}}
            statements += self._save_cursor(webhook, cursor, page)
        turns = [
            turn
            for event in events
            if webhook.expects_bot_reply(event)
            for turn in self._failed_turns(webhook, event)
        ]
        return _Check(turns, statements, cursor, has_more)

    def _read_overdue(self, after: Cursor, before: int) -> Sequence[RowMapping]:
        """Read the events that a paused webhook has not received in time."""
        page = queries.read_log(self._engine, after, PAGE_EVENTS)
        # Clocks differ and jump: what follows an event that is not overdue is not overdue either.
        return list(takewhile(lambda event: event["committed_at"] <= before, page))

    def _save_cursor(
        self, webhook: Webhook, cursor: Cursor, page: Sequence[RowMapping]
    ) -> Iterable[ClauseElement]:
        if not page:
            return
        saved = furthest(webhook.cursor, webhook.watchdog_cursor)
        is_far = distance(saved, cursor) >= SAVE_EVERY_EVENTS
        if is_far or any(webhook.expects_bot_reply(event) for event in page):
            yield webhook_registry.update_webhook(webhook.webhook_id, watchdog_cursor=cursor)

    def _failed_turns(self, webhook: Webhook, event: RowMapping) -> Iterable[IncomingEvent]:
        """Yield the failed turn, unless control or the conversation has changed."""
        try:
            state = queries.get_conversation(self._engine, event["conversation_id"])
        except UnreadableStateError:
            return  # this conversation accepts no event until the repair
        if state is None or state.state == "closed" or state.control.owner != BOT:
            return
        if webhook.bot_id in state.participants:
            draft = _failed_turn(webhook, event)
            command = Command(control_epoch=state.control.epoch)
            yield IncomingEvent(msgspec.json.encode(draft), draft, command=command)


def _key(webhook: Webhook, event: RowMapping) -> DeliveryKey:
    return DeliveryKey(webhook.webhook_id, event["shard"], event["position"])


def _failed_turn(webhook: Webhook, event: RowMapping) -> Draft:
    """Build the failed turn. Its id depends on webhook and event only, so the log stores it once."""
    name = f"bot.turn_failed/{webhook.webhook_id}/{event['source']}/{event['event_id']}"
    return Draft(
        event_type="bot.turn_failed",
        event_id=str(uuid5(NAMESPACE, name)),
        conversation_id=event["conversation_id"],
        participant_id=webhook.bot_id,
        participant_role="bot",
        caused_by=event["event_id"],
        payload={"reason": "webhook_failed", "webhook_id": webhook.webhook_id},
    )
