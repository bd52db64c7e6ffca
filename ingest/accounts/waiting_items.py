"""Items that wait for the message they refer to: a status before its send's answer, an edit before its message."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ClauseElement, Engine, delete, or_, select, text, update

from ingest.accounts.insert_once import insert_once
from ingest.channels.base import (
    DeletionItem,
    EditItem,
    MessageItem,
    ReactionItem,
    ReceiptItem,
    WatermarkItem,
)
from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import NAMED_MESSAGE, events, provider_messages, waiting_items

Waiting = MessageItem | EditItem | DeletionItem | ReactionItem | ReceiptItem | WatermarkItem
"""Items that may wait; a message, if it may be the echo of our own send."""


class _Stored(Struct):
    kind: str
    item: msgspec.Raw


_KINDS: dict[str, type[Waiting]] = {
    each.__name__: each
    for each in (MessageItem, EditItem, DeletionItem, ReactionItem, ReceiptItem, WatermarkItem)
}


class WaitingItem(Struct, frozen=True, kw_only=True):
    """An item that waits. `message_id`: the id of an inbound message with this `provider_id`.

    Instants are microseconds. At `check_at` it is checked again, whether its message is known or not.
    """

    account_id: str
    item_id: str
    provider_id: str
    message_id: str
    call_id: str
    item: Waiting
    received_at: int
    expires_at: int
    check_at: int


def add_waiting(waiting: WaitingItem) -> Bound:
    """Return the statement that lets an item wait. Safe to repeat."""
    values = {name: getattr(waiting, name) for name in WaitingItem.__struct_fields__}
    stored = _Stored(type(waiting.item).__name__, msgspec.Raw(msgspec.json.encode(waiting.item)))
    return insert_once(waiting_items, **values | {"item": msgspec.json.encode(stored)})


def remove_waiting(waiting: WaitingItem) -> ClauseElement:
    """Return the statement that ends the wait of an item."""
    return delete(waiting_items).where(
        waiting_items.c.account_id == waiting.account_id, waiting_items.c.item_id == waiting.item_id
    )


def postpone(waiting: WaitingItem, check_at: int) -> ClauseElement:
    """Return the statement that checks an item again later."""
    return (
        update(waiting_items)
        .where(
            waiting_items.c.account_id == waiting.account_id,
            waiting_items.c.item_id == waiting.item_id,
        )
        .values(check_at=check_at)
    )


def find_ready(engine: Engine, now: int, limit: int) -> Sequence[WaitingItem]:
    """Return at most `limit` items whose message is known now, or whose time to be checked has come, in order received."""
    table = waiting_items
    is_sent = (
        select(provider_messages.c.message_id)
        .where(
            provider_messages.c.account_id == table.c.account_id,
            provider_messages.c.provider_id == table.c.provider_id,
        )
        .exists()
    )
    has_arrived = (
        select(events.c.message_id)
        .where(text(NAMED_MESSAGE), events.c.message_id == table.c.message_id)
        .exists()
    )
    query = (
        select(table)
        .where(or_(table.c.check_at <= now, is_sent, has_arrived))
        .order_by(table.c.received_at, table.c.item_id)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [_waiting(dict(row)) for row in connection.execute(query).mappings()]


def has_waiting(engine: Engine) -> bool:
    """Return whether any item waits."""
    with engine.connect() as connection:
        return connection.execute(select(waiting_items.c.item_id).limit(1)).first() is not None


def _waiting(values: dict[str, Any]) -> WaitingItem:
    stored = msgspec.json.decode(values["item"], type=_Stored)
    item = msgspec.json.decode(stored.item, type=_KINDS[stored.kind])
    return WaitingItem(**values | {"item": item})
