"""Read marks of providers that name no message, but a time up to which all are read or delivered."""

from collections.abc import Iterator

from sqlalchemy import Engine

from ingest.accounts import provider_messages
from ingest.accounts.provider_messages import FoundMessage
from ingest.channels import drafts
from ingest.channels.base import Account, ReceiptItem, WatermarkItem
from ingest.channels.drafts import Place
from ingest.channels.source import CHANNEL_SOURCE
from ingest.events.draft import Draft
from ingest.log.storage.keyed_rows import EngineReader

MAX_READ_MESSAGES = 100
"""Maximum messages that one read mark turns into receipts: the newest 100."""


def receipts_up_to(
    engine: Engine, account: Account, item: WatermarkItem, conversation_id: str
) -> Iterator[Draft]:
    """Yield a receipt for each of our messages up to the mark that has none of this status."""
    account_id = account.account_id
    found = provider_messages.find_sent_until(
        engine, account_id, conversation_id, item.until, MAX_READ_MESSAGES
    )
    ids = {
        drafts.receipt_id_of(account_id, each.message_id, item.status, each.attempt): each
        for each in found
    }
    known = provider_messages.find_events(EngineReader(engine), list(ids), CHANNEL_SOURCE)
    for event_id, message in ids.items():
        if event_id not in known:
            yield _receipt(account, item, event_id, message)


def _receipt(account: Account, item: WatermarkItem, event_id: str, message: FoundMessage) -> Draft:
    receipt = ReceiptItem(
        provider_id=item.provider_id,
        person=None,
        happened_at=item.happened_at,
        channel=item.channel,
        message=message.message_id,
        status=item.status,
    )
    place = Place(conversation_id=message.conversation_id)
    draft = drafts.draft_of_receipt(receipt, account, place, message.message_id, message.attempt)
    draft.event_id = event_id
    return draft
