"""The parts of a message go out one after the other, each with a record before and after it."""

from collections.abc import Callable

from ingest.delivery.destinations.base import (
    Delivered,
    Destination,
    Interpretation,
    Prepared,
    Rejected,
    Retry,
    Send,
)
from ingest.delivery.sender import Sender
from ingest.egress.client import EgressResult


async def send_parts(
    sender: Sender, destination: Destination, send: Send, is_last: Callable[[Retry], bool]
) -> tuple[EgressResult, Interpretation]:
    """Send the parts that are left, up to the first that is not accepted. `is_last`: no other attempt follows."""
    result, outcome = EgressResult(None, None, 0.0), send.verdict or Delivered()
    if send.verdict is not None:
        await sender.commit(send.journal.end(send.first, outcome))
    for part, request in enumerate(send.requests, send.first):
        result, outcome = await _send_part(sender, destination, send, part, request)
        if isinstance(outcome, Retry) and is_last(outcome):
            outcome = Rejected(outcome.reason)
        await sender.commit(send.journal.end(part, outcome))
        if not isinstance(outcome, Delivered):
            break
    return result, outcome


async def _send_part(
    sender: Sender, destination: Destination, send: Send, part: int, request: Prepared
) -> tuple[EgressResult, Interpretation]:
    """Send one part. Its files are ready before the record that it goes out: without them nothing does."""
    await sender.wait()
    async with sender.ready(request) as ready:
        if isinstance(ready, Retry | Rejected):
            return EgressResult(None, ready.reason, 0.0), ready
        await sender.commit(send.journal.begin(part))
        return await sender.send(destination, ready)
