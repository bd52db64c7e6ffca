"""The intake of providers' calls: a verified call becomes events, and is kept with its outcome."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from ingest.accounts import channel_calls, waiting_items
from ingest.accounts.account_cache import Opened
from ingest.accounts.channel_calls import KeptCall
from ingest.accounts.registry import get_account, open_account
from ingest.accounts.secret_box import SecretBox
from ingest.accounts.waiting_items import WaitingItem
from ingest.api.channel_result import CallResult, TypingChange, expired
from ingest.api.channel_translation import ReadCall
from ingest.api.metrics import Metrics
from ingest.api.name_lookups import NameLookups
from ingest.api.taken_call import BUILDER, TakenCall, TakenOutcome, add_failure, append_of
from ingest.api.translator import Translator
from ingest.api.used_tokens import UsedTokens
from ingest.channels.base import Account, Call, ChannelAdapter, Inbound, UnreadableCallError
from ingest.channels.errors import UnknownAccountError
from ingest.channels.registry import one_time_token
from ingest.clock import Clock, NewId
from ingest.errors import LogUnavailableError
from ingest.log.writer import Writer
from ingest.log.writer_requests import Acknowledgement, Append, DeferredAppend, Execute

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Interval at which waiting items are checked, and counts of unverified calls are saved."""

PAUSE_SECONDS = 0.05
"""Minimum time between two checks of the waiting items."""

SHORT_BODY_BYTES = 16 * 1024
"""Work on longer bodies runs in a thread, so that it does not delay other requests."""

RELEASED_AT_ONCE = 500
PURGE_SECONDS = 3_600.0
SECOND = 1_000_000


class ChannelIntake:
    """Takes calls of providers."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        metrics: Metrics,
        secrets: SecretBox,
        translator: Translator,
        names: NameLookups,
        clock: Clock,
        new_id: NewId,
        calls_kept: int,
    ) -> None:
        """`engine` only reads; `clock` and `calls_kept` are in microseconds."""
        self._engine = engine
        self._writer = writer
        self._metrics = metrics
        self._secrets = secrets
        self._translator = translator
        self.names = names
        self._clock = clock
        self._new_id = new_id
        self._calls_kept = calls_kept
        self._tokens = UsedTokens(clock)
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._may_wait = True
        self._wake = asyncio.Event()

    def close(self) -> None:
        """Close the connections of the translator. The writer has stopped."""
        self._translator.close()

    def is_token_reused(self, account_id: str, adapter: ChannelAdapter, call: Call) -> bool:
        """Return whether a verified call has a token that another call said something else with."""
        found = one_time_token(adapter, call)
        return found is not None and self._tokens.is_reused(account_id, *found)

    def count_refusal(self, account_id: str, reason: str) -> None:
        """Count a call that is not verified. Nothing else of it is kept."""
        self._refusals[account_id, reason] += 1
        self._metrics.count_refused_call()

    async def take(
        self, opened: Opened, adapter: ChannelAdapter, call: Call
    ) -> Sequence[TypingChange]:
        """Store the events of a verified call; return who types. Raises LogUnavailableError.

        Safe to repeat: the ids of the events are derived from the provider's.
        """
        now, call_id = self._clock(), self._new_id()
        stored, account = opened

        def read() -> TakenCall:
            # Not in the writer, whose commit all wait for: compression lets other threads run in between.
            prepared = channel_calls.prepare_call(call_id, account.account_id, now, call)
            items, failure = _parse(adapter, call, account)
            found = ReadCall(account, stored.policy, items, call_id, now)
            return TakenCall(found, failure, call.body, prepared)

        taken = read() if len(call.body) <= SHORT_BODY_BYTES else await run_in_threadpool(read)
        outcome = await self._store(taken)
        self.names.notice(opened, adapter, taken.read.items)
        self._may_wait = self._may_wait or outcome.is_waiting
        if self._may_wait:
            self._wake.set()
        return outcome.typing

    async def _store(self, taken: TakenCall) -> TakenOutcome:
        """Commit a call. The writer translates it: what the log has by then decides, and no thread waits for another."""
        request = DeferredAppend(BUILDER, taken, max(1, len(taken.read.items)))
        try:
            answers = await self._writer.submit(request)
        finally:
            outcome = request.outcome or TakenOutcome()
            self._metrics.count_received(outcome.events)
        self._metrics.count_acknowledgements(answers)
        return outcome

    async def read_again(
        self, kept: KeptCall, adapter: ChannelAdapter, url: str, replay_of: int
    ) -> list[Acknowledgement]:
        """Store the events of a kept call again, as `take` does.

        Raises the reason if a part of it is still rejected, and then stores nothing.
        """
        stored = await run_in_threadpool(get_account, self._engine, kept.account_id)
        if stored is None:
            raise UnknownAccountError("the channel account of this call was deleted")
        call, account = kept.to_call(url), open_account(self._secrets, stored)
        items, failure = await run_in_threadpool(_parse, adapter, call, account)
        read = ReadCall(account, stored.policy, items, kept.call_id, self._clock())
        translated = await run_in_threadpool(self._translator.translate, read)
        add_failure(translated, failure, call.body, kept.call_id)
        for each in translated.events:
            if each.error is not None:
                raise each.error
        append = append_of(kept.account_id, kept.call_id, translated)
        append.replay_of = replay_of
        return await self._submit(append)

    async def _submit(self, append: Append) -> list[Acknowledgement]:
        self._metrics.count_received(append.received)
        answers = await self._writer.submit(append)
        self._metrics.count_acknowledgements(answers)
        return answers

    # --- in the background

    async def save_refusals(self) -> None:
        """Save the counts of unverified calls, without end."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.save_refusals_once()

    async def save_refusals_once(self) -> None:
        """Save the counts of unverified calls since the last time."""
        counts, self._refusals = self._refusals, Counter()
        now = self._clock()
        statements = [
            statement
            for (account_id, reason), calls in counts.items()
            for statement in channel_calls.count_refusals(account_id, reason, calls, now)
        ]
        if statements:
            with suppress(LogUnavailableError):
                await self._writer.execute(Execute(statements))

    async def release_waiting(self) -> None:
        """Store the events of items whose message is known now, without end."""
        while True:
            self._wake.clear()
            with suppress(LogUnavailableError):
                await self.release_once()
            await asyncio.sleep(PAUSE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def release_once(self) -> None:
        """Store the events of items whose message is known now."""
        now, self._may_wait = self._clock(), False
        ready = await run_in_threadpool(
            waiting_items.find_ready, self._engine, now, RELEASED_AT_ONCE
        )
        is_left = await run_in_threadpool(waiting_items.has_waiting, self._engine)
        self._may_wait = self._may_wait or is_left
        appends = await run_in_threadpool(lambda: [self._release(each, now) for each in ready])
        await asyncio.gather(*(self._submit(each) for each in appends))

    def _release(self, waiting: WaitingItem, now: int) -> Append:
        """Return the request that stores an item, or checks it again later."""
        is_late = waiting.expires_at <= now
        stored = get_account(self._engine, waiting.account_id)
        translated = CallResult()
        if stored is not None:
            account = open_account(self._secrets, stored)
            read = ReadCall(account, stored.policy, [waiting.item], waiting.call_id, now)
            translated = self._translator.translate(read, may_wait=not is_late)
        if translated.waiting and not is_late:
            translated = CallResult(statements=[waiting_items.postpone(waiting, now + SECOND)])
        else:
            translated.statements.append(waiting_items.remove_waiting(waiting))
            if translated.waiting or stored is None:
                translated.events = [expired(waiting)]
        translated.waiting = []
        return append_of(waiting.account_id, waiting.call_id, translated)

    async def purge_calls(self) -> None:
        """Delete the raw calls that are older than the setting says, without end."""
        while True:
            with suppress(LogUnavailableError):
                await self.purge_calls_once()
            await asyncio.sleep(PURGE_SECONDS)

    async def purge_calls_once(self) -> None:
        """Delete the raw calls that are older than the setting says."""
        before = self._clock() - self._calls_kept
        await self._writer.execute(Execute([channel_calls.delete_calls_before(before)]))


def _parse(
    adapter: ChannelAdapter, call: Call, account: Account
) -> tuple[Sequence[Inbound], str | None]:
    """Return the items of a call, and why it could not be read, or not to its end."""
    items: list[Inbound] = []
    try:
        for item in adapter.parse(call, account):
            items.append(item)  # noqa: PERF402 - what was read before a fault counts
    except UnreadableCallError as error:
        return items, str(error)
    except Exception:
        logger.exception("the adapter of %s failed", adapter.provider)
        return items, "the adapter could not read the call"
    return items, None
