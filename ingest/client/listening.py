"""Where a listener stands: which socket it opens, and what it has heard."""

from typing import Any

import msgspec

from ingest.client.calls import conversation_path
from ingest.client.outcomes import ClientError
from ingest.client.retries import Retrying


class Listening:
    """One listener, over all the sockets that it loses; the clients open them and read them."""

    def __init__(self, conversation_id: str | None, after: int, retrying: Retrying) -> None:
        """Hears what comes after the sequence `after`; without a conversation, the position."""
        self._path = "/v1" if conversation_id is None else conversation_path(conversation_id)
        self._column = "position" if conversation_id is None else "sequence"
        self._seen = after
        self._retrying = retrying

    def address(self, url: str) -> str:
        """Where the next socket goes on, at the API of this URL."""
        place = f"{self._path}/live?after_{self._column}={self._seen}"
        return url.replace("http", "ws", 1) + place

    def hear(self, frame: str | bytes) -> dict[str, Any] | None:
        """The event of a frame, None if it tells of none. The place is now behind it."""
        self._retrying.begin_anew()
        told: dict[str, Any] = msgspec.json.decode(frame)
        event: dict[str, Any] | None = told.get("event")
        self._seen = told.get(f"after_{self._column}", self._seen)
        if event is not None:
            self._seen = event[self._column]
        return event

    def pause_after(self, failure: ClientError) -> float:
        """Seconds until a new socket. Raises the failure if it is of no use."""
        return self._retrying.pause_after(failure)
