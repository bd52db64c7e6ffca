"""The conversations of one channel account that began after the simulation did. Others are never read."""

from collections.abc import Iterator

from ingest.client import Client
from ingest.client.answers import Conversation


class AccountConversations:
    """Lists the conversations of an account, newest first."""

    def __init__(self, client: Client, channel: str, account_id: str) -> None:
        """Remember the newest conversation of the channel: those before it are not the simulation's."""
        self._client = client
        self._channel = channel
        self._account_id = account_id
        newest = next(iter(client.conversations(channel)), None)
        self._last = None if newest is None else newest.conversation_id

    def __iter__(self) -> Iterator[Conversation]:
        """Yield each conversation in its current state."""
        for each in self._client.conversations(self._channel):
            if each.conversation_id == self._last:
                return
            if each.channel_account == self._account_id:
                yield each
