"""The other API processes of a log, as one of them sees them."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from ingest.events.stored_event import StoredEvent

Work = Callable[[], Coroutine[Any, Any, None]]


class Peers(Protocol):
    """Publishes the commits of all processes in the order of the log, and lets one of them lead."""

    def on_commit(self, rows: Sequence[StoredEvent]) -> None:
        """Publish events that the writer of this process reports, once all earlier ones are published."""

    async def broadcast(self, message: dict[str, Any]) -> None:
        """Send a message to every other process; it is not stored. At most 8,000 bytes."""

    async def run(self) -> None:
        """Follow the others until cancelled."""

    async def lead(self, work: Work) -> None:
        """Run a task while no other process does; return with it, or when cancelled."""
