"""Channel accounts as destinations of the dispatcher."""

from sqlalchemy import ClauseElement, ColumnElement, Engine, select

from ingest.accounts.registry import DESTINATION_PREFIX as PREFIX
from ingest.accounts.registry import ChannelAccount, get_account, list_accounts, update_account
from ingest.accounts.secret_box import SecretBox
from ingest.accounts.sends import ChannelSend
from ingest.channels.registry import find_adapter
from ingest.clock import Clock
from ingest.contract import Cursor
from ingest.delivery import queue
from ingest.delivery.destinations.channel import ChannelDestination
from ingest.delivery.destinations.recipients import FindPerson, Recipients
from ingest.delivery.queue import DeliveryKey, QueuedDelivery
from ingest.log.storage.tables import channel_accounts


class ChannelRegistry:
    """The channel accounts whose provider this version knows."""

    def __init__(
        self, engine: Engine, find_person: FindPerson, secrets: SecretBox, clock: Clock
    ) -> None:
        """`engine` only reads; `clock` gives microseconds; `secrets` decrypts."""
        self._engine = engine
        self._recipients = Recipients(engine, find_person)
        self._secrets = secrets
        self._clock = clock

    def list_destinations(self) -> list[ChannelDestination]:
        """Return every account, oldest first."""
        found = map(self.destination, list_accounts(self._engine))
        return [each for each in found if each is not None]

    def get_destination(self, destination_id: str) -> ChannelDestination | None:
        """Return an account, or None."""
        account = get_account(self._engine, destination_id.removeprefix(PREFIX))
        return None if account is None else self.destination(account)

    def destination(self, account: ChannelAccount) -> ChannelDestination | None:
        """Return an account as a destination, or None if no adapter knows its provider."""
        adapter = find_adapter(account.provider)
        if adapter is None:
            return None
        return ChannelDestination(
            account, adapter, self._engine, self._recipients, self._secrets, self._clock
        )

    def exists(self, destination_id: str) -> ColumnElement[bool]:
        """Return the condition that an account was not deleted."""
        return _exists(destination_id.removeprefix(PREFIX))

    def save_cursor(self, destination_id: str, cursor: Cursor) -> ClauseElement:
        """Return the statement that saves how far an account has read."""
        return update_account(destination_id.removeprefix(PREFIX), cursor=cursor)

    def disable(self, destination_id: str, reason: str, now: int) -> ClauseElement:
        """Return the statement that disables an account."""
        account_id = destination_id.removeprefix(PREFIX)
        return update_account(account_id, disabled_at=now, disabled_reason=reason)


def requeue(send: ChannelSend, now: int) -> list[ClauseElement]:
    """Return the statements that attempt a message again; what its parts are decides what is sent."""
    destination_id = PREFIX + send.account_id
    key = DeliveryKey(destination_id, send.shard, send.position)
    delivery = QueuedDelivery(key, send.conversation_id, now, next_attempt_at=now)
    return [queue.enqueue(delivery, _exists(send.account_id))]


def _exists(account_id: str) -> ColumnElement[bool]:
    table = channel_accounts
    return select(table.c.account_id).where(table.c.account_id == account_id).exists()
