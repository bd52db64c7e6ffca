"""A bot that its webhook does not reach: the customer's message is a failed turn of the bot.

What a bot has not heard for too long is told of once, as `bot.turn_failed`; what follows from it is
the log's own rule (`hand_off_on_bot_failure`). Two places hold what was not delivered: the queue of
the webhook, and the log itself behind the position of one that is left alone.
"""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import uuid5

import msgspec
from sqlalchemy import ClauseElement, Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.clock import Clock
from ingest.contract import NAMESPACE
from ingest.delivery import queue, webhook_registry
from ingest.delivery.destinations.webhook import Webhook, expects_bot_reply
from ingest.events.conversation_state import BOT
from ingest.events.draft import Command, Draft
from ingest.events.stored_event import SYSTEM_SOURCE
from ingest.log import queries
from ingest.log.writer import Writer
from ingest.log.writer_requests import Append, Execute, IncomingEvent

SOURCE = f"{SYSTEM_SOURCE}~webhooks"
"""Who writes the failed turns. They come in by the door, so they are counted as what comes is."""

PAGE_EVENTS = 200
"""So many events are looked at at once."""

SAVE_EVERY_EVENTS = 10_000
"""It is written down at least so often how far the log was looked through."""


class _Found(NamedTuple):
    """What a look found: failed turns, what is to be noted, how far in the log, whether to go on."""

    turns: list[IncomingEvent]
    changes: list[ClauseElement]
    position: int
    has_more: bool


class BotWatchdog:
    """Tells of the bots that were not reached."""

    def __init__(self, writer: Writer, engine: Engine, clock: Clock, seconds: float) -> None:
        """After `seconds` a bot that was not reached is taken to be silent."""
        self._writer = writer
        self._engine = engine
        self._clock = clock
        self._patience = int(seconds * 1_000_000)
        self._channels = queries.ConversationChannels(engine)
        self._seen: dict[str, int] = {}

    async def check(self, webhook_id: str, *, is_left_alone: bool) -> None:
        """Write the failed turns of this webhook's bot; of each message one, however often asked.

        `is_left_alone`: nothing is read from the log for it now. Raises LogUnavailableError.
        """
        has_more = True
        while has_more:
            found = await run_in_threadpool(self._look, webhook_id, is_left_alone)
            if found.turns:
                path = f"/v1/webhooks/{webhook_id}"
                await self._writer.submit(Append(SOURCE, path, len(found.turns), found.turns))
            # A crash in between is made good: the same event, with the same id, is a duplicate.
            if found.changes:
                await self._writer.execute(Execute(found.changes))
            self._seen[webhook_id] = found.position
            has_more = found.has_more

    def _look(self, webhook_id: str, is_left_alone: bool) -> _Found:
        hook = webhook_registry.get_webhook(self._engine, webhook_id)
        if hook is None or hook.bot_id is None:
            return _Found([], [], 0, has_more=False)
        now = self._clock()
        position = max(hook.position, hook.watchdog_position or 0, self._seen.get(webhook_id, 0))
        # Of one that is disabled nothing is to be hoped for.
        before = now - self._patience if hook.disabled_at is None else now
        queued = queue.list_overdue_for_bot(self._engine, webhook_id, before, PAGE_EVENTS)
        changes = [queue.clear_bot_wait(webhook_id, row["position"]) for row in queued]
        rows, has_more = list(queued), len(queued) == PAGE_EVENTS
        if is_left_alone or hook.disabled_at is not None:
            page = self._behind(position, before)
            rows += [row for row in page if hook.wants(row, self._channels.get)]
            has_more |= len(page) == PAGE_EVENTS
            position = page[-1]["position"] if page else position
            changes += self._seen_to(hook, page)
        turns = [
            turn for row in rows if expects_bot_reply(hook, row) for turn in self._turns(hook, row)
        ]
        return _Found(turns, changes, position, has_more)

    def _behind(self, after: int, before: int) -> Sequence[RowMapping]:
        """What the log has for one that is left alone, and was not looked at."""
        page = queries.list_committed(self._engine, after, PAGE_EVENTS)
        # Clocks of several machines, or one that jumps: what comes after one that waits, waits too.
        return list(takewhile(lambda row: row["committed_at"] <= before, page))

    def _seen_to(self, hook: Webhook, page: Sequence[RowMapping]) -> Iterable[ClauseElement]:
        if not page:
            return
        last = page[-1]["position"]
        is_far = last - max(hook.position, hook.watchdog_position or 0) >= SAVE_EVERY_EVENTS
        if is_far or any(expects_bot_reply(hook, row) for row in page):
            yield webhook_registry.update_webhook(hook.webhook_id, watchdog_position=last)

    def _turns(self, hook: Webhook, row: RowMapping) -> Iterable[IncomingEvent]:
        """The failed turn, unless this bot had nothing to say any more."""
        state = queries.get_conversation(self._engine, row["conversation_id"])
        if state is None or state.state == "closed" or state.control.owner != BOT:
            return
        if hook.bot_id in state.participants:
            draft = _failed(hook, row)
            yield IncomingEvent(
                msgspec.json.encode(draft), draft, command=Command(state.control.epoch)
            )


def _failed(hook: Webhook, row: RowMapping) -> Draft:
    """The same whenever it is made, so the log itself sees that it is told once."""
    name = f"bot.turn_failed/{hook.webhook_id}/{row['source']}/{row['event_id']}"
    payload: dict[str, Any] = {"reason": "webhook_failed", "webhook_id": hook.webhook_id}
    return Draft(
        event_type="bot.turn_failed",
        event_id=str(uuid5(NAMESPACE, name)),
        conversation_id=row["conversation_id"],
        participant_id=hook.bot_id,
        participant_role="bot",
        caused_by=row["event_id"],
        payload=payload,
    )
