"""Webhooks out: every event, at least once, in the order of its conversation, to each endpoint.

An endpoint reads the log from its own position. What fails is kept in a queue, and what follows it
in the same conversation waits behind it; other conversations, and other endpoints, go on. The log
itself is the queue of an endpoint that is left alone because it fails again and again.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from sqlalchemy import Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from ingest.clock import Clock
from ingest.delivery import queue, webhook_registry
from ingest.delivery.bot_watchdog import BotWatchdog
from ingest.delivery.circuit_breaker import CircuitBreaker
from ingest.delivery.destinations.webhook import Webhook, ordering_key
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.retry_policy import next_attempt_at
from ingest.delivery.round_result import (
    RoundResult,
    delivery_body,
    delivery_event,
    delivery_id,
    enqueue_delivery,
    group_by_ordering_key,
)
from ingest.egress import signing
from ingest.egress.client import EgressClient, EgressResult
from ingest.errors import LogUnavailableError
from ingest.events.conversation_state import HUMAN
from ingest.log import queries
from ingest.log.writer import Writer
from ingest.log.writer_requests import Execute

logger = logging.getLogger(__name__)

PAGE_EVENTS = 200
"""So many events of the log an endpoint reads at once."""

PARALLEL_KEYS = 8
"""So many conversations of an endpoint are delivered side by side."""

SAVE_EVERY_EVENTS = 10_000
"""An endpoint's position is kept at least so often, though it wants nothing of what comes."""

POLL_SECONDS = 1.0
KEY_TIME_SLICE_SECONDS = 5.0
"""After so long a conversation makes room for the others of its endpoint; it goes on in the next
round."""

JITTER = random.SystemRandom().random
"""Of its own: numbers of the process that were seeded stay as they are."""
HTTP_GONE = 410
SKIPPED = EgressResult(None, "a human has control", 0.0)
"""What is not sent to a bot: it may not speak now, and would only be refused."""


class Dispatcher:
    """Delivers to every endpoint. `run` it on the event loop of the API."""

    def __init__(
        self,
        writer: Writer,
        engine: Engine,
        hub: Broadcaster,
        sender: EgressClient,
        clock: Clock,
        silence: BotWatchdog,
        jitter: Callable[[], float] = JITTER,
    ) -> None:
        """`clock` gives microseconds; `engine` only reads; `silence` is told of bots."""
        self._writer = writer
        self._engine = engine
        self._hub = hub
        self.egress = sender
        self._clock = clock
        self._silence = silence
        self._jitter = jitter
        self._breakers: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)
        self._seen: dict[str, int] = {}
        self._probed: dict[str, int] = {}
        self._channels = queries.ConversationChannels(engine)
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def refresh(self) -> None:
        """Webhooks were changed."""
        self._changed.set()

    async def run(self) -> None:
        """Serve every endpoint, each in a task of its own, until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self._begin()
                except Exception:
                    logger.exception("the webhooks could not be read; it is tried again")
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                with suppress(TimeoutError):  # another process may have changed them
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._changed.wait()
        finally:
            for task in self._serving.values():
                task.cancel()
            await asyncio.gather(*self._serving.values(), return_exceptions=True)

    async def _begin(self) -> None:
        """Serve those that nobody serves; of a bot that is disabled it is told what it misses."""
        for hook in await run_in_threadpool(webhook_registry.list_webhooks, self._engine):
            is_missed = hook.disabled_at is not None and hook.bot_id is not None
            if (hook.disabled_at is None or is_missed) and self._is_idle(hook.webhook_id):
                serve = self._miss if is_missed else self._serve
                task = asyncio.create_task(serve(hook.webhook_id))
                # It may end because it was disabled, and have been enabled again meanwhile.
                task.add_done_callback(lambda _: self._changed.set())
                self._serving[hook.webhook_id] = task

    def _is_idle(self, webhook_id: str) -> bool:
        task = self._serving.get(webhook_id)
        return task is None or task.done()

    async def _serve(self, webhook_id: str) -> None:
        # What waited for its next try waited for the endpoint; it may be well by now.
        await self._keep(RoundResult([queue.retry_all_now(webhook_id, self._clock())], []))

        async def serve(hook: Webhook) -> bool:
            has_more = await self.run_round(hook)
            is_left_alone = not self._breakers[webhook_id].is_closed
            if hook.bot_id is not None and (is_left_alone or not has_more):
                await self._silence.check(webhook_id, is_left_alone=is_left_alone)
            return has_more

        await self._look_after(webhook_id, serve, is_enabled=True)

    async def _miss(self, webhook_id: str) -> None:
        async def miss(_hook: Webhook) -> bool:
            await self._silence.check(webhook_id, is_left_alone=True)
            return False

        await self._look_after(webhook_id, miss, is_enabled=False)

    async def _look_after(
        self, webhook_id: str, work: Callable[[Webhook], Awaitable[bool]], *, is_enabled: bool
    ) -> None:
        """`work`, whenever there may be something to do, for as long as it `is_enabled` or not."""
        with self._hub.subscribe(None) as listener:
            while True:
                listener.start()
                try:
                    hook = await run_in_threadpool(
                        webhook_registry.get_webhook, self._engine, webhook_id
                    )
                    if hook is None or (hook.disabled_at is None) != is_enabled:
                        return
                    has_more = await work(hook)
                except Exception as error:
                    if not isinstance(error, LogUnavailableError):
                        logger.exception("a round of deliveries failed; it is tried again")
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                if not has_more:
                    await listener.receive(POLL_SECONDS)

    async def run_round(self, hook: Webhook) -> bool:
        """One round: what is due again, then what is new. Whether there may be more at once."""
        now = self._clock()
        breaker = self._breakers[hook.webhook_id]
        most = breaker.permits(now)
        if most == 0:
            return False
        by = now if most is None else None  # one try, with what has waited longest
        due = await run_in_threadpool(
            queue.list_due, self._engine, hook.webhook_id, by, most or PAGE_EVENTS
        )
        if most is not None and due and due[0]["position"] == self._probed.get(hook.webhook_id):
            due = []  # it may be this one event that is refused: try a new one
        self._probed[hook.webhook_id] = due[0]["position"] if most is not None and due else 0
        done = RoundResult([], [])
        await self._each(hook, group_by_ordering_key(due), done, again=True)
        after = max(hook.position, self._seen.get(hook.webhook_id, 0))
        page: Sequence[RowMapping] = []
        if most is None or not due:
            page = await run_in_threadpool(
                queries.list_committed, self._engine, after, most or PAGE_EVENTS
            )
            await self._page(hook, page, done)
        if most is not None and breaker.is_closed:
            done.statements.append(queue.retry_all_now(hook.webhook_id, self._clock()))
        if done.statements or done.events:
            await self._keep(done)
        if page:
            self._seen[hook.webhook_id] = page[-1]["position"]
        return bool(due) or len(page) == (most or PAGE_EVENTS)

    async def _keep(self, done: RoundResult) -> None:
        """Write down what a round came to; again and again, for what was sent was sent."""
        while True:
            try:
                await self._writer.execute(Execute(done.statements, done.events))
            except LogUnavailableError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def _page(self, hook: Webhook, page: Sequence[RowMapping], done: RoundResult) -> None:
        """Deliver the new events of a page, and move the endpoint's position behind it."""
        if not page:
            return
        wanted = await run_in_threadpool(self.filter_wanted, hook, page)
        waits = await run_in_threadpool(
            queue.list_blocked_keys, self._engine, hook.webhook_id, map(ordering_key, wanted)
        )
        done.statements += [
            enqueue_delivery(hook, row) for row in wanted if ordering_key(row) in waits
        ]
        # What they wait behind may have arrived in this very round.
        done.statements += [
            queue.unblock_next(hook.webhook_id, of, self._clock()) for of in sorted(waits)
        ]
        new = [row for row in wanted if ordering_key(row) not in waits]
        await self._each(hook, group_by_ordering_key(new), done, again=False)
        if wanted or page[-1]["position"] - hook.position >= SAVE_EVERY_EVENTS:
            position = page[-1]["position"]
            done.statements.append(
                webhook_registry.update_webhook(hook.webhook_id, position=position)
            )

    def filter_wanted(self, hook: Webhook, page: Sequence[RowMapping]) -> list[RowMapping]:
        """Those of these events that it is told of. Reads the store."""
        return [row for row in page if hook.wants(row, self._channels.get)]

    async def _each(
        self, hook: Webhook, groups: list[list[RowMapping]], done: RoundResult, *, again: bool
    ) -> None:
        turns = asyncio.Semaphore(PARALLEL_KEYS)

        async def one(rows: list[RowMapping]) -> None:
            async with turns:
                until = time.monotonic() + KEY_TIME_SLICE_SECONDS
                for number, row in enumerate(rows):
                    if time.monotonic() > until:
                        if not again:
                            done.statements.append(
                                enqueue_delivery(hook, row, next_attempt_at=self._clock())
                            )
                            done.statements += [
                                enqueue_delivery(hook, each) for each in rows[number + 1 :]
                            ]
                        return
                    if not await self._one(hook, row, done, again=again):
                        if not again:
                            done.statements += [
                                enqueue_delivery(hook, each) for each in rows[number + 1 :]
                            ]
                        return

        async with asyncio.TaskGroup() as tasks:
            for rows in groups:
                tasks.create_task(one(rows))

    async def _one(self, hook: Webhook, row: RowMapping, done: RoundResult, *, again: bool) -> bool:
        """Try one delivery; whether the next one of its conversation may be tried."""
        breaker = self._breakers[hook.webhook_id]
        attempts = row["attempts"] if again else 0
        if done.is_gone or breaker.permits(self._clock()) == 0:
            if not again:
                done.statements.append(enqueue_delivery(hook, row, next_attempt_at=self._clock()))
            return False
        outcome = await self._send(hook, row)
        now = self._clock()
        if outcome is SKIPPED or outcome.is_success:
            kind = "webhook.attempted" if outcome is SKIPPED else "webhook.delivered"
            done.events.append(delivery_event(kind, hook, row, attempts + 1, outcome, now))
            if outcome.is_success:
                breaker.record(is_success=True, now=now)
            if again:
                done.statements += [
                    queue.complete(hook.webhook_id, row["position"]),
                    queue.unblock_next(hook.webhook_id, ordering_key(row), now),
                ]
            return True
        breaker.record(is_success=False, now=now)
        self._fail(hook, row, attempts + 1, outcome, done, again=again)
        return False

    def _fail(
        self,
        hook: Webhook,
        row: RowMapping,
        attempts: int,
        outcome: EgressResult,
        done: RoundResult,
        *,
        again: bool,
    ) -> None:
        now = self._clock()
        last = outcome.error or f"status {outcome.status}"
        if outcome.status == HTTP_GONE:
            done.is_gone = True
            done.statements.append(
                webhook_registry.update_webhook(
                    hook.webhook_id, disabled_at=now, disabled_reason="the receiver said 410"
                )
            )
        since = row["first_attempt_at"] if again else now
        due = next_attempt_at(now, since, attempts, outcome.retry_after, self._jitter)
        position = row["position"]
        if due is None:
            done.events.append(
                delivery_event("webhook.dead_lettered", hook, row, attempts, outcome, now)
            )
            done.statements += [
                queue.dead_letter(hook.webhook_id, position, attempts, now, last),
                queue.unblock_next(hook.webhook_id, ordering_key(row), now),
            ]
            return
        done.events.append(delivery_event("webhook.attempted", hook, row, attempts, outcome, now))
        done.statements.append(
            queue.reschedule(hook.webhook_id, position, attempts, due, last)
            if again
            else enqueue_delivery(
                hook,
                row,
                first_attempt_at=now,
                attempts=attempts,
                next_attempt_at=due,
                last_result=last,
            )
        )

    async def _send(self, hook: Webhook, row: RowMapping) -> EgressResult:
        if hook.bot_id is not None and row["conversation_id"] is not None:
            state = await run_in_threadpool(
                queries.get_conversation, self._engine, row["conversation_id"]
            )
            if state is not None and state.control.owner == HUMAN:
                return SKIPPED
        body = delivery_body(row)
        now = self._clock()
        named = signing.sign(delivery_id(row), now // 1_000_000, body, hook.keys(now))
        return await self.egress.send(hook.url, named, body)
