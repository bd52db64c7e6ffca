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

from ingest.delivery import queue, webhook_registry
from ingest.delivery.bot_watchdog import Silence
from ingest.delivery.circuit_breaker import Breaker
from ingest.delivery.destinations.webhook import Webhook, order_of
from ingest.delivery.live.broadcaster import Hub
from ingest.delivery.retry_policy import next_at
from ingest.delivery.round_result import Round, body_of, grouped, id_of, told, waiting
from ingest.egress import signing
from ingest.egress.client import Outcome, Sender
from ingest.errors import LogUnavailableError
from ingest.events.conversation_state import HUMAN
from ingest.log import queries
from ingest.log.writer import Change, Clock, Writer

logger = logging.getLogger(__name__)

PAGE = 200
"""So many events of the log an endpoint reads at once."""

AT_ONCE = 8
"""So many conversations of an endpoint are delivered side by side."""

FAR = 10_000
"""An endpoint's position is kept at least so often, though it wants nothing of what comes."""

LOOK_SECONDS = 1.0
GROUP_SECONDS = 5.0
"""After so long a conversation makes room for the others of its endpoint; it goes on in the next
round."""

JITTER = random.SystemRandom().random
"""Of its own: numbers of the process that were seeded stay as they are."""
GONE = 410
SKIPPED = Outcome(None, "a human has control", 0.0)
"""What is not sent to a bot: it may not speak now, and would only be refused."""


class Deliverer:
    """Delivers to every endpoint. `run` it on the event loop of the API."""

    def __init__(
        self,
        writer: Writer,
        engine: Engine,
        hub: Hub,
        sender: Sender,
        clock: Clock,
        silence: Silence,
        jitter: Callable[[], float] = JITTER,
    ) -> None:
        """`clock` gives microseconds; `engine` only reads; `silence` is told of bots."""
        self._writer = writer
        self._engine = engine
        self._hub = hub
        self.sender = sender
        self._clock = clock
        self._silence = silence
        self._jitter = jitter
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._seen: dict[str, int] = {}
        self._probed: dict[str, int] = {}
        self._channels = queries.Channels(engine)
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def look(self) -> None:
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
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                with suppress(TimeoutError):  # another process may have changed them
                    async with asyncio.timeout(LOOK_SECONDS):
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
        await self._keep(Round([queue.hurried(webhook_id, self._clock())], []))

        async def serve(hook: Webhook) -> bool:
            has_more = await self.deliver(hook)
            is_left_alone = not self._breakers[webhook_id].is_closed
            if hook.bot_id is not None and (is_left_alone or not has_more):
                await self._silence.tell(webhook_id, is_left_alone=is_left_alone)
            return has_more

        await self._look_after(webhook_id, serve, is_enabled=True)

    async def _miss(self, webhook_id: str) -> None:
        async def miss(_hook: Webhook) -> bool:
            await self._silence.tell(webhook_id, is_left_alone=True)
            return False

        await self._look_after(webhook_id, miss, is_enabled=False)

    async def _look_after(
        self, webhook_id: str, work: Callable[[Webhook], Awaitable[bool]], *, is_enabled: bool
    ) -> None:
        """`work`, whenever there may be something to do, for as long as it `is_enabled` or not."""
        with self._hub.listening(None) as listener:
            while True:
                listener.begin()
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
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                if not has_more:
                    await listener.take(LOOK_SECONDS)

    async def deliver(self, hook: Webhook) -> bool:
        """One round: what is due again, then what is new. Whether there may be more at once."""
        now = self._clock()
        breaker = self._breakers[hook.webhook_id]
        most = breaker.most(now)
        if most == 0:
            return False
        by = now if most is None else None  # one try, with what has waited longest
        due = await run_in_threadpool(
            queue.list_due, self._engine, hook.webhook_id, by, most or PAGE
        )
        if most is not None and due and due[0]["position"] == self._probed.get(hook.webhook_id):
            due = []  # it may be this one event that is refused: try a new one
        self._probed[hook.webhook_id] = due[0]["position"] if most is not None and due else 0
        done = Round([], [])
        await self._each(hook, grouped(due), done, again=True)
        after = max(hook.position, self._seen.get(hook.webhook_id, 0))
        page: Sequence[RowMapping] = []
        if most is None or not due:
            page = await run_in_threadpool(
                queries.list_committed, self._engine, after, most or PAGE
            )
            await self._page(hook, page, done)
        if most is not None and breaker.is_closed:
            done.changes.append(queue.hurried(hook.webhook_id, self._clock()))
        if done.changes or done.rows:
            await self._keep(done)
        if page:
            self._seen[hook.webhook_id] = page[-1]["position"]
        return bool(due) or len(page) == (most or PAGE)

    async def _keep(self, done: Round) -> None:
        """Write down what a round came to; again and again, for what was sent was sent."""
        while True:
            try:
                await self._writer.change(Change(done.changes, done.rows))
            except LogUnavailableError:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def _page(self, hook: Webhook, page: Sequence[RowMapping], done: Round) -> None:
        """Deliver the new events of a page, and move the endpoint's position behind it."""
        if not page:
            return
        wanted = await run_in_threadpool(self.wanted, hook, page)
        waits = await run_in_threadpool(
            queue.blocked, self._engine, hook.webhook_id, map(order_of, wanted)
        )
        done.changes += [waiting(hook, row) for row in wanted if order_of(row) in waits]
        # What they wait behind may have arrived in this very round.
        done.changes += [queue.let_on(hook.webhook_id, of, self._clock()) for of in sorted(waits)]
        new = [row for row in wanted if order_of(row) not in waits]
        await self._each(hook, grouped(new), done, again=False)
        if wanted or page[-1]["position"] - hook.position >= FAR:
            position = page[-1]["position"]
            done.changes.append(webhook_registry.update_webhook(hook.webhook_id, position=position))

    def wanted(self, hook: Webhook, page: Sequence[RowMapping]) -> list[RowMapping]:
        """Those of these events that it is told of. Reads the store."""
        return [row for row in page if hook.wants(row, self._channels.of)]

    async def _each(
        self, hook: Webhook, groups: list[list[RowMapping]], done: Round, *, again: bool
    ) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(rows: list[RowMapping]) -> None:
            async with turns:
                until = time.monotonic() + GROUP_SECONDS
                for number, row in enumerate(rows):
                    if time.monotonic() > until:
                        if not again:
                            done.changes.append(waiting(hook, row, next_at=self._clock()))
                            done.changes += [waiting(hook, each) for each in rows[number + 1 :]]
                        return
                    if not await self._one(hook, row, done, again=again):
                        if not again:
                            done.changes += [waiting(hook, each) for each in rows[number + 1 :]]
                        return

        async with asyncio.TaskGroup() as tasks:
            for rows in groups:
                tasks.create_task(one(rows))

    async def _one(self, hook: Webhook, row: RowMapping, done: Round, *, again: bool) -> bool:
        """Try one delivery; whether the next one of its conversation may be tried."""
        breaker = self._breakers[hook.webhook_id]
        attempts = row["attempts"] if again else 0
        if done.is_gone or breaker.most(self._clock()) == 0:
            if not again:
                done.changes.append(waiting(hook, row, next_at=self._clock()))
            return False
        outcome = await self._send(hook, row)
        now = self._clock()
        if outcome is SKIPPED or outcome.is_success:
            kind = "webhook.attempted" if outcome is SKIPPED else "webhook.delivered"
            done.rows.append(told(kind, hook, row, attempts + 1, outcome, now))
            if outcome.is_success:
                breaker.note(is_success=True, now=now)
            if again:
                done.changes += [
                    queue.settled(hook.webhook_id, row["position"]),
                    queue.let_on(hook.webhook_id, order_of(row), now),
                ]
            return True
        breaker.note(is_success=False, now=now)
        self._fail(hook, row, attempts + 1, outcome, done, again=again)
        return False

    def _fail(
        self,
        hook: Webhook,
        row: RowMapping,
        attempts: int,
        outcome: Outcome,
        done: Round,
        *,
        again: bool,
    ) -> None:
        now = self._clock()
        last = outcome.error or f"status {outcome.status}"
        if outcome.status == GONE:
            done.is_gone = True
            done.changes.append(
                webhook_registry.update_webhook(
                    hook.webhook_id, disabled_at=now, disabled_because="the receiver said 410"
                )
            )
        since = row["since"] if again else now
        due = next_at(now, since, attempts, outcome.retry_after, self._jitter)
        position = row["position"]
        if due is None:
            done.rows.append(told("webhook.dead_lettered", hook, row, attempts, outcome, now))
            done.changes += [
                queue.died(hook.webhook_id, position, attempts, now, last),
                queue.let_on(hook.webhook_id, order_of(row), now),
            ]
            return
        done.rows.append(told("webhook.attempted", hook, row, attempts, outcome, now))
        done.changes.append(
            queue.tried(hook.webhook_id, position, attempts, due, last)
            if again
            else waiting(hook, row, since=now, attempts=attempts, next_at=due, last=last)
        )

    async def _send(self, hook: Webhook, row: RowMapping) -> Outcome:
        if hook.bot_id is not None and row["conversation_id"] is not None:
            state = await run_in_threadpool(
                queries.get_conversation, self._engine, row["conversation_id"]
            )
            if state is not None and state.control.owner == HUMAN:
                return SKIPPED
        body = body_of(row)
        now = self._clock()
        named = signing.headers(id_of(row), now // 1_000_000, body, hook.keys(now))
        return await self.sender.post(hook.url, named, body)
