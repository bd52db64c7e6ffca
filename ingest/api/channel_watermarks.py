"""Read marks of providers that name no message, but a time up to which all are read or delivered."""

from collections.abc import Iterable, Iterator, Set

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
    engine: Engine, account: Account, item: WatermarkItem, conversation_id: str, in_call: Set[str]
) -> Iterator[Draft]:
    """Yield a receipt for each of our messages up to the mark that has none of this status.

    `in_call`: ids of the events before the mark in the same call, which may name messages too.
    """
    account_id = account.account_id
    sent = provider_messages.find_sent_until(
        engine, account_id, conversation_id, item.until, MAX_READ_MESSAGES
    )
    ids = {
        drafts.state_id_of(account_id, each.message_id, item.status, each.attempt): each
        for each in _last_attempts(sent)
    }
    known = provider_messages.find_events(EngineReader(engine), list(ids), CHANNEL_SOURCE) | in_call
    for event_id, message in ids.items():
        if event_id not in known:
            yield _receipt(account, item, message)


def _last_attempts(sent: Iterable[FoundMessage]) -> Iterable[FoundMessage]:
    """Return each message once, with the last attempt to send it."""
    last: dict[str, FoundMessage] = {}
    for each in sent:
        last[each.message_id] = max(last.get(each.message_id, each), each)
    return last.values()


def _receipt(account: Account, item: WatermarkItem, message: FoundMessage) -> Draft:
    receipt = ReceiptItem(
        provider_id=item.provider_id,
        person=None,
        happened_at=item.happened_at,
        channel=item.channel,
        message=message.message_id,
        status=item.status,
        is_also_marked=True,
    )
    place = Place(conversation_id=message.conversation_id)
    return drafts.draft_of_receipt(receipt, account, place, message.message_id, message.attempt)
