"""The bot of a simulation: it answers through the API, as any bot does."""

import threading
from collections.abc import Iterable

import httpx2

from convolake.simulation.parts import Part
from ingest.client import Client
from ingest.client.answers import Conversation

BOT, BOT_VERSION = "simulated-bot", "1.0"


class Bot:
    """Finds the conversation of a customer's message, joins it once, and posts its answers."""

    def __init__(
        self, client: Client, http: httpx2.Client, conversations: Iterable[Conversation]
    ) -> None:
        """`http` has the API's address and key. `conversations`: those that the bot may read, as they are now."""
        self._client = client
        self._current = conversations
        self._http = http
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._conversations: dict[str, str] = {}
        self._epochs: dict[str, int] = {}

    def post(self, part: Part) -> None:
        """Post an answer to the customer's conversation. Raises ClientError, HTTPError, LookupError."""
        conversation_id = self.find(part)
        key = part.said.key
        self._client.post_message(
            conversation_id,
            BOT,
            part.said.text,
            event_id=key,
            message_id=key,
            bot_version=BOT_VERSION,
            control_epoch=self._join(conversation_id),
        )

    def find(self, part: Part) -> str:
        """Return the conversation that has a message of the same customer. Raises LookupError."""
        with self._lock:
            if not part.customer_ids & self._conversations.keys():
                self._read_new()
            known = part.customer_ids & self._conversations.keys()
            if not known:
                raise LookupError("no conversation has a message of this customer")
            return self._conversations[min(known)]

    def _read_new(self) -> None:
        """Read the messages of the conversations that were not read before."""
        for each in self._current:
            if each.conversation_id in self._seen:
                continue
            self._seen.add(each.conversation_id)
            for message in self._client.messages(each.conversation_id):
                provider_id = (message.payload or {}).get("provider_id")
                if provider_id is not None:
                    self._conversations[provider_id] = each.conversation_id

    def _join(self, conversation_id: str) -> int:
        """Join a conversation, once, and return its control epoch."""
        with self._lock:
            if conversation_id not in self._epochs:
                path = f"/v1/conversations/{conversation_id}/participants"
                body = {"participant_id": BOT, "participant_role": "bot"}
                self._http.post(path, json=body).raise_for_status()
                epoch = self._client.conversation(conversation_id).control.epoch
                self._epochs[conversation_id] = epoch
            return self._epochs[conversation_id]
