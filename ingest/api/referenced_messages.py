"""The messages that the items of a call refer to: those received, and those we sent."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from ingest.accounts import provider_messages
from ingest.accounts.provider_messages import FoundMessage
from ingest.channels import drafts
from ingest.channels.base import (
    AddressChangeItem,
    DeletionItem,
    EditItem,
    Item,
    MessageItem,
    OtherItem,
    ReactionItem,
    ReceiptItem,
)

_ORDER: tuple[type[Item], ...] = (
    AddressChangeItem,
    MessageItem,
    OtherItem,
    EditItem,
    DeletionItem,
    ReactionItem,
)
"""Messages come before what refers to them, also if the call has them in another order."""
_RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}
_REFERRING = (EditItem, DeletionItem, ReactionItem, ReceiptItem)


def in_order(items: Iterable[Item]) -> list[Item]:
    """Return items so that each comes after those it may refer to."""
    return sorted(items, key=_rank)


class ReferencedMessages:
    """Finds messages by the ids that a provider has for them. Reads the store."""

    def __init__(self, engine: Engine, account_id: str) -> None:
        """Start without any."""
        self._engine = engine
        self._account_id = account_id
        self._sent: dict[str, FoundMessage] = {}
        self._messages: dict[str, FoundMessage] = {}

    def find(self, items: Iterable[Item]) -> None:
        """Find the messages that the items name by the provider's ids."""
        named = {each for item in items for each in _ids_in(item)}
        if not named:
            return
        self._sent = provider_messages.find_sent(self._engine, self._account_id, sorted(named))
        ids = {
            each: drafts.message_id_of(self._account_id, each) for each in named - set(self._sent)
        }
        received = provider_messages.find_received(self._engine, ids) if ids else {}
        self._messages = {**received, **self._sent}

    def add(self, provider_id: str, message: FoundMessage) -> None:
        """Note a message that the call itself creates."""
        self._messages[provider_id] = message

    def get(self, provider_id: str) -> FoundMessage | None:
        """Return a message that was found or added, or None."""
        return self._messages.get(provider_id)

    def is_sent(self, provider_id: str) -> bool:
        """Return whether a message is one that we sent."""
        return provider_id in self._sent

    def reply_id(self, provider_id: str | None) -> str | None:
        """Return our id of a message that is replied to, also if it has not arrived; None without one."""
        if provider_id is None:
            return None
        found = self._messages.get(provider_id)
        return (
            drafts.message_id_of(self._account_id, provider_id)
            if found is None
            else found.message_id
        )

    def find_send(self, reference: str | None) -> FoundMessage | None:
        """Return the send that has our reference, or None."""
        if reference is None:
            return None
        return provider_messages.find_send(self._engine, self._account_id, reference)


def _rank(item: Item) -> int:
    return _RANKS.get(type(item), len(_ORDER))


def _ids_in(item: Item) -> Iterator[str]:
    """Yield the provider's ids of the messages that an item needs."""
    if isinstance(item, MessageItem):
        if item.author != "customer":
            yield item.provider_id
        if item.in_reply_to is not None:
            yield item.in_reply_to
    elif isinstance(item, _REFERRING):
        yield item.message
