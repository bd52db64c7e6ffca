"""Sends prepared requests of one destination: at its pace, and with its circuit breaker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ingest.clock import Clock
from ingest.delivery.circuit_breaker import CircuitBreaker
from ingest.delivery.destinations.base import (
    Delivered,
    Destination,
    Fetch,
    Interpretation,
    Mail,
    Prepared,
    Record,
    Rejected,
    Request,
    Retry,
    Step,
    Upload,
)
from ingest.delivery.pace import Pace
from ingest.delivery.retry_policy import MAX_RETRY_AFTER_SECONDS, SECOND
from ingest.egress.client import EgressClient, EgressResult
from ingest.egress.mail import MailClient

MAX_FILE_BYTES = 25 * 1024 * 1024
"""Maximum size of the files of a request together: 25 MiB."""

FILE_SECONDS = 60.0
"""Time-out for fetching or uploading a file."""

PARALLEL_FILES = 2
"""Maximum messages with files that a destination has in memory."""

Sleep = Callable[[float], Awaitable[None]]


class Sender:
    """A destination's health and pace, from round to round. Sends, and commits to the log."""

    def __init__(
        self,
        egress: EgressClient,
        files: EgressClient,
        mail: MailClient,
        commit: Callable[[Record], Awaitable[None]],
        clock: Clock,
        jitter: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Start healthy. `clock` gives microseconds, `jitter` returns 0 to 1, `sleep` takes seconds.

        `files` fetches attachments: message writers choose their addresses, administrators all others.
        """
        self._egress = egress
        self._files = files
        self._mail = mail
        self._commit = commit
        self.clock = clock
        self.jitter = jitter
        self._sleep = sleep
        self.breaker = CircuitBreaker()
        self.pace = Pace()
        self._file_slots = asyncio.Semaphore(PARALLEL_FILES)

    async def commit(self, record: Record) -> None:
        """Return when the record is on disk."""
        if record.statements or record.events:
            await self._commit(record)

    async def wait(self) -> None:
        """Return when the destination's rate allows another request."""
        seconds = self.pace.reserve(self.clock())
        if seconds > 0:
            await self._sleep(seconds)

    async def send(
        self, destination: Destination, request: Request | Mail
    ) -> tuple[EgressResult, Interpretation]:
        """Send a request, and tell the circuit breaker about the outcome."""
        if isinstance(request, Mail):
            result = await self._mail.send(
                request.server, request.sender, request.recipients, request.content
            )
        else:
            send = self._egress.request if request.needs_body else self._egress.send
            result = await send(request.url, request.headers, request.body, method=request.method)
        outcome = destination.interpret(result)
        self._note(outcome)
        return result, outcome

    @asynccontextmanager
    async def ready(self, request: Prepared) -> AsyncIterator[Request | Mail | Retry | Rejected]:
        """Fetch and upload the files of a request, and yield it as it goes out, or why it cannot.

        Leave the block when it is sent: few files are in memory at the same time.
        """
        if isinstance(request, Request | Mail):
            yield request
            return
        async with self._file_slots:
            step: Step = request
            while isinstance(step, Fetch | Upload):
                step = await (self._fetch(step) if isinstance(step, Fetch) else self._upload(step))
            yield step

    async def _fetch(self, fetch: Fetch) -> Step:
        """Fetch up to the first failure."""
        results: list[EgressResult] = []
        left = MAX_FILE_BYTES
        for url in fetch.urls:
            results.append(await self._files.fetch(url, left, FILE_SECONDS))
            left -= len(results[-1].body)
            if not results[-1].is_success:
                break
        return await asyncio.to_thread(fetch.build, results)

    async def _upload(self, upload: Upload) -> Step:
        request = upload.request
        result = await self._egress.request(
            request.url, request.headers, request.body, FILE_SECONDS, request.method
        )
        step = upload.then(result)
        self._note(step if isinstance(step, Retry | Rejected) else Delivered())
        return step

    def _note(self, outcome: Interpretation) -> None:
        """Tell the circuit breaker about an answer of the destination."""
        if isinstance(outcome, Retry) and outcome.is_throttled:
            seconds = min(outcome.retry_after or 1, MAX_RETRY_AFTER_SECONDS)
            self.breaker.pause(self.clock() + seconds * SECOND)
        else:
            self.breaker.record(
                is_success=isinstance(outcome, Delivered | Rejected), now=self.clock()
            )
