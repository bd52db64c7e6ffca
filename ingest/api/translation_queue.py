"""Calls that arrive while others are translated are translated together, as commits of the log are grouped."""

import asyncio
from collections import deque
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from ingest.api.channel_result import CallResult
from ingest.api.channel_translation import ReadCall
from ingest.api.translator import Translator

MAX_ITEMS = 1_000
"""Maximum items that are translated at once, unless one call has more."""


@dataclass(slots=True)
class _Queued:
    read: ReadCall
    result: "asyncio.Future[CallResult]"


class TranslationQueue:
    """Translates calls in one thread at a time: many threads that read SQLite wait for one another. For one event loop."""

    def __init__(self, translator: Translator) -> None:
        """Start empty."""
        self._translator = translator
        self._queue: deque[_Queued] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def translate(self, read: ReadCall) -> CallResult:
        """Return what a call becomes. Raises its error."""
        queued = _Queued(read, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await queued.result

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._translate(self._take())
        finally:
            self._worker = None

    def _take(self) -> list[_Queued]:
        """Return the calls that waited longest; those of clients that disconnected are left out."""
        taken: list[_Queued] = []
        items = 0
        while self._queue and (not taken or items + len(self._queue[0].read.items) <= MAX_ITEMS):
            queued = self._queue.popleft()
            if not queued.result.done():
                taken.append(queued)
                items += len(queued.read.items)
        return taken

    async def _translate(self, taken: list[_Queued]) -> None:
        reads = [each.read for each in taken]
        results = await run_in_threadpool(self._translator.translate_all, reads)
        for queued, result in zip(taken, results, strict=True):
            if queued.result.done():
                continue
            if isinstance(result, Exception):
                queued.result.set_exception(result)
            else:
                queued.result.set_result(result)
