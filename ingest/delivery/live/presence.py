"""Presence: which agents have a WebSocket open in this process, and what the log has to know about it.

The log records it for the agent who has control of a conversation only. Each process knows its own sockets:
when one records that an agent is disconnected, another in which the agent has a socket contradicts it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ingest.errors import LogUnavailableError
from ingest.events.stored_event import StoredEvent
from ingest.log.writer import Writer
from ingest.log.writer_requests import RecordPresence

RETRY_SECONDS = 1.0
"""Pause before a request that the writer rejected is sent again."""

EVERY_AGENT = RecordPresence(None, None, is_connected=False)
"""After a start no agent is connected, whatever the log says of the process before."""


class PresenceTracker:
    """Counts the sockets of agents, and tells the writer. Lives on the event loop; `run` it there."""

    def __init__(self, writer: Writer) -> None:
        """Start without sockets."""
        self._writer = writer
        self._sockets: Counter[tuple[str, str | None]] = Counter()
        self._requests: asyncio.Queue[RecordPresence] = asyncio.Queue()
        self._requests.put_nowait(EVERY_AGENT)

    @contextmanager
    def connected(self, participant_id: str, conversation_id: str | None) -> Iterator[None]:
        """Count a socket of an agent until the block ends. Without `conversation_id` it is for all of them."""
        key = (participant_id, conversation_id)
        self._sockets[key] += 1
        self._requests.put_nowait(RecordPresence(*key, is_connected=True))
        try:
            yield
        finally:
            self._sockets[key] -= 1
            if not self._sockets[key]:
                del self._sockets[key]
                self._requests.put_nowait(RecordPresence(*key, is_connected=False))

    def update(self, events: Sequence[StoredEvent]) -> None:
        """Contradict committed events that say an agent is disconnected who has a socket here."""
        for event in events:
            agent = event.participant_id
            if event.event_type == "participant.disconnected" and agent is not None:
                for key in ((agent, None), (agent, event.conversation_id)):
                    if key in self._sockets:
                        request = RecordPresence(agent, event.conversation_id, is_connected=True)
                        self._requests.put_nowait(request)
                        break

    async def run(self) -> None:
        """Send the requests to the writer, in order, until cancelled. One that it rejects is sent again."""
        while True:
            request = await self._requests.get()
            while not await self._record(request):
                await asyncio.sleep(RETRY_SECONDS)

    async def _record(self, request: RecordPresence) -> bool:
        try:
            await self._writer.submit(request)
        except LogUnavailableError:
            return False
        return True
