"""Sends prepared requests of one destination: at its pace, and with its circuit breaker."""

import asyncio
from collections.abc import Awaitable, Callable

from ingest.clock import Clock
from ingest.delivery.circuit_breaker import CircuitBreaker
from ingest.delivery.destinations.base import (
    Delivered,
    Destination,
    Interpretation,
    Mail,
    Record,
    Rejected,
    Request,
    Retry,
)
from ingest.delivery.pace import Pace
from ingest.delivery.retry_policy import MAX_RETRY_AFTER_SECONDS, SECOND
from ingest.egress.client import EgressClient, EgressResult
from ingest.egress.mail import MailClient

Sleep = Callable[[float], Awaitable[None]]


class Sender:
    """A destination's health and pace, from round to round. Sends, and commits to the log."""

    def __init__(
        self,
        egress: EgressClient,
        mail: MailClient,
        commit: Callable[[Record], Awaitable[None]],
        clock: Clock,
        jitter: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Start healthy. `clock` gives microseconds, `jitter` returns 0 to 1, `sleep` takes seconds."""
        self._egress = egress
        self._mail = mail
        self._commit = commit
        self.clock = clock
        self.jitter = jitter
        self._sleep = sleep
        self.breaker = CircuitBreaker()
        self.pace = Pace()

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
        if isinstance(outcome, Retry) and outcome.is_throttled:
            seconds = min(outcome.retry_after or 1, MAX_RETRY_AFTER_SECONDS)
            self.breaker.pause(self.clock() + seconds * SECOND)
        else:
            self.breaker.record(
                is_success=isinstance(outcome, Delivered | Rejected), now=self.clock()
            )
        return result, outcome
