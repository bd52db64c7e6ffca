"""The position of one listener: which WebSocket it opens next, and which events it has seen."""

from typing import Any
from urllib.parse import quote

import msgspec

from ingest.client.call import conversation_path
from ingest.client.outcomes import ClientError
from ingest.client.retries import Retrying


class ListenerPosition:
    """Follows one listener through all its connections; the clients open and read the sockets."""

    def __init__(self, conversation_id: str | None, after: int | str, retrying: Retrying) -> None:
        """Start after a sequence of a conversation, or after a cursor of the whole log; 0: at the start."""
        self._path = "/v1" if conversation_id is None else conversation_path(conversation_id)
        self._name = "after" if conversation_id is None else "after_sequence"
        self._after = "" if conversation_id is None and after == 0 else after
        self._retrying = retrying

    def url(self, api_url: str) -> str:
        """Return the URL of the next socket, at the API of this URL."""
        place = f"{self._path}/live?{self._name}={quote(str(self._after))}"
        return api_url.replace("http", "ws", 1) + place

    def receive(self, frame: str | bytes) -> dict[str, Any] | None:
        """Advance past a frame. Return its event, or None if it has none."""
        self._retrying.reset()
        decoded: dict[str, Any] = msgspec.json.decode(frame)
        event: dict[str, Any] | None = decoded.get("event")
        self._after = decoded.get(self._name, self._after)
        if event is not None and self._name == "after_sequence":
            self._after = event["sequence"]
        return event

    def pause_after(self, failure: ClientError) -> float:
        """Return the seconds until the next socket. Raises the failure if a retry cannot help."""
        return self._retrying.pause_after(failure)
