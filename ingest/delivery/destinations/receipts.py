"""The receipts that a send gives its message: events of the server, with derived ids."""

from typing import Any
from uuid import uuid5

import msgspec

from ingest.accounts.sends import ChannelSend
from ingest.channels.registry import THREADED_CHANNELS
from ingest.channels.reply_tokens import reply_token, token_key
from ingest.contract import NAMESPACE
from ingest.delivery.destinations.base import Record
from ingest.events.draft import Draft
from ingest.events.stored_event import SYSTEM_SOURCE
from ingest.log.writer_requests import Append, IncomingEvent

SOURCE = f"{SYSTEM_SOURCE}~channels"
"""Source of the receipts. They are appended like client events, so they are counted like them."""

MAIL = "email"
"""The channel whose replies may name a conversation by a token."""


def append_of(record: Record) -> Append:
    """Return the request that commits the record of a send."""
    events = record.events
    return Append(SOURCE, "/v1/channels", len(events), events, statements=record.statements)


def submitted(send: ChannelSend, channel: str) -> IncomingEvent:
    """Return the event that the provider took a message; payload.thread names what a reply will refer to."""
    payload: dict[str, Any] = {}
    if send.provider_id is not None:
        payload = {"provider_message_id": send.provider_id}
    if send.provider_id is not None and channel in THREADED_CHANNELS:
        payload["thread"] = [send.provider_id]
        if channel == MAIL:
            payload["thread"].append(token_key(reply_token(send.conversation_id)))
    return _receipt("message.submitted", send, channel, payload)


def failed(send: ChannelSend, channel: str) -> IncomingEvent:
    """Return the event that a message was not taken and never will be."""
    return _receipt("message.failed", send, channel, _why(send))


def unconfirmed(send: ChannelSend, channel: str) -> IncomingEvent:
    """Return the event that only the provider knows whether it took a message."""
    return _receipt("message.unconfirmed", send, channel, _why(send))


def _why(send: ChannelSend) -> dict[str, Any]:
    given = {"reason": send.reason, "error_code": send.code}
    return {name: value for name, value in given.items() if value is not None}


def _receipt(
    event_type: str, send: ChannelSend, channel: str, payload: dict[str, Any]
) -> IncomingEvent:
    """Build a receipt. Its id depends on the send only, so a commit that is repeated stores it once."""
    name = f"{event_type}/{send.account_id}/{send.shard}/{send.position}/{send.attempt}"
    draft = Draft(
        event_type=event_type,
        event_id=str(uuid5(NAMESPACE, name)),
        conversation_id=send.conversation_id,
        channel=channel,
        channel_account=send.account_id,
        message_id=send.message_id,
        payload={"attempt": send.attempt, **payload},
    )
    return IncomingEvent(msgspec.json.encode(draft), draft)
