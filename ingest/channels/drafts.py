"""Items of a provider as events: their ids, and the drafts that the log receives. Pure.

Ids are derived from the account and the provider's id, so every redelivery gives the same ones.
"""

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from ingest.channels.base import (
    Account,
    DeletionItem,
    EditItem,
    Item,
    MessageItem,
    OtherItem,
    ReactionItem,
    ReceiptItem,
)
from ingest.contract import Role, derived_id, from_micros
from ingest.events.draft import EARLIEST_HAPPENED_AT, OCCURRED_AT_RANGE, Draft
from ingest.events.types import ReceiptStatus

CHANGES = {
    EditItem: "message.edited",
    DeletionItem: "message.deleted",
    ReactionItem: "message.reacted",
}
"""Event types of items that change a message."""

Change = EditItem | DeletionItem | ReactionItem


_SAID = ("provider_id", "text", "message", "status", "reaction")
"""Fields of items that a redelivery repeats."""


class Place(Struct, frozen=True, kw_only=True):
    """Where an item belongs: the conversation, and the person in it."""

    conversation_id: str
    participant_id: str | None = None
    contact_id: str | None = None
    channel: str | None = None
    payload: dict[str, Any] = {}


def event_id_of(account_id: str, item: Item) -> str:
    """Return the id of the event that an item becomes."""
    kind = type(item).__name__
    name = f"channel-event/{account_id}/{kind}/{item.provider_id}"
    if isinstance(item, ReceiptItem):
        name = f"{name}/{item.message}/{item.status}"
    return derived_id(name)


def message_id_of(account_id: str, provider_id: str) -> str:
    """Return the id of the inbound message that the provider knows by this id."""
    return derived_id(f"channel-message/{account_id}/{provider_id}")


def state_id_of(account_id: str, message_id: str, status: ReceiptStatus, attempt: int = 1) -> str:
    """Return the id of the receipt of a state that a message gets once: for each attempt to send it."""
    again = "" if attempt == 1 else f"/{attempt}"
    return derived_id(f"channel-receipt/{account_id}/{message_id}/{status}{again}")


def fingerprint_of(item: Item) -> bytes:
    """Return the fingerprint of what the provider said, without what may differ in a redelivery.

    Providers sign URLs of attachments again, and people change their names.
    """
    said = [type(item).__name__, *[getattr(item, name, None) for name in _SAID]]
    return blake2b(msgspec.json.encode(said), digest_size=16).digest()


def draft_of_message(
    item: MessageItem, account: Account, place: Place, in_reply_to: str | None
) -> Draft:
    """Return the draft of a message. Messages of our side have a participant of the account's own."""
    draft = _draft("message.created", item, account, place, item.author)
    draft.message_id = message_id_of(account.account_id, item.provider_id)
    draft.in_reply_to = in_reply_to
    draft.text = item.text
    payload = {**item.payload, **place.payload, "provider_id": item.provider_id}
    if item.attachments:
        payload["attachments"] = msgspec.to_builtins(item.attachments)
    if item.author_name is not None:
        payload["author_name"] = item.author_name
    draft.payload = payload
    return draft


def draft_of_change(item: Change, account: Account, place: Place, message_id: str) -> Draft:
    """Return the draft of an edit, a deletion or a reaction."""
    draft = _draft(CHANGES[type(item)], item, account, place, item.author)
    draft.message_id = message_id
    if isinstance(item, EditItem):
        draft.text = item.text
        draft.payload = dict(item.payload) or None
    if isinstance(item, ReactionItem):
        draft.payload = {"reaction": item.reaction}
    return draft


def draft_of_receipt(
    item: ReceiptItem, account: Account, place: Place, message_id: str, attempt: int = 1
) -> Draft:
    """Return the draft of a delivery state. `attempt`: which sending of the message it is about."""
    draft = _draft(f"message.{item.status}", item, account, place, "customer")
    if item.is_also_marked:
        draft.event_id = state_id_of(account.account_id, message_id, item.status, attempt)
    draft.message_id = message_id
    again = None if attempt == 1 else attempt
    details = {"error_code": item.code, "reason": item.reason, "attempt": again}
    draft.payload = {name: value for name, value in details.items() if value is not None} or None
    return draft


def draft_of_other(item: OtherItem, account: Account, place: Place) -> Draft:
    """Return the draft of what no event type describes: `custom.<provider>.<kind>`."""
    draft = _draft(f"custom.{account.provider}.{item.kind}", item, account, place, "customer")
    draft.text = item.text
    draft.payload = dict(item.data) or None
    return draft


def _draft(event_type: str, item: Item, account: Account, place: Place, author: Role) -> Draft:
    """Return a draft with the columns that all items have."""
    happened_at = item.happened_at
    if happened_at is not None and not EARLIEST_HAPPENED_AT <= happened_at <= OCCURRED_AT_RANGE[1]:
        happened_at = None
    moment = None if happened_at is None else from_micros(happened_at)
    draft = Draft(
        event_type=event_type,
        event_id=event_id_of(account.account_id, item),
        conversation_id=place.conversation_id,
        channel=item.channel or place.channel or account.channel,
        channel_account=account.account_id,
        occurred_at=moment,
        happened_at=moment,
        is_test=item.is_test or None,
    )
    if author != "customer":
        draft.participant_id, draft.participant_role = f"{account.account_id}/{author}", author
    elif place.participant_id is not None:
        draft.participant_id, draft.participant_role = place.participant_id, "customer"
        draft.contact_id = place.contact_id
    return draft


def draft_of_notices(account: Account) -> Draft:
    """Return the creation of the conversation that takes what concerns no person: it counts nowhere."""
    conversation_id = notices_id_of(account.account_id)
    return Draft(
        event_type="conversation.created",
        event_id=derived_id(f"conversation.created/{conversation_id}"),
        conversation_id=conversation_id,
        channel=account.channel,
        channel_account=account.account_id,
        is_test=True,
        payload={"subject": "Notices of the provider"},
    )


def notices_id_of(account_id: str) -> str:
    """Return the conversation of what a provider reports about the account itself."""
    return derived_id(f"channel-notices/{account_id}")
