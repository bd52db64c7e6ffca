"""The message that an adapter renders, from its event and its recipient."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Engine, RowMapping

from ingest.channels.base import Choice, OutboundMessage
from ingest.channels.reply_tokens import reply_token, token_key
from ingest.delivery.destinations.receipts import MAIL
from ingest.delivery.destinations.recipients import Recipient
from ingest.events.payloads import Attachment
from ingest.log import queries

S = TypeVar("S", Attachment, Choice)


def outbound_message(
    engine: Engine, event: RowMapping, recipient: Recipient, reference: str, now: int
) -> OutboundMessage:
    """Return the message. `engine` only reads; `now`: microseconds since 1970.

    payload.quick_replies, payload.buttons and payload.template are for the providers that know them.
    """
    payload: dict[str, Any] = msgspec.json.decode(event["payload"] or "{}")
    template = payload.get("template")
    return OutboundMessage(
        reference=reference,
        now=now,
        text=event["text"],
        attachments=_each(payload, "attachments", Attachment),
        quick_replies=_each(payload, "quick_replies", Choice),
        buttons=_each(payload, "buttons", Choice),
        in_reply_to=_answered(engine, event),
        thread=_thread(event, recipient),
        subject=recipient.subject,
        template=template if isinstance(template, dict) else None,
        last_inbound_at=recipient.last_inbound_at,
        is_automatic=event["participant_role"] != "agent",
    )


def _thread(event: RowMapping, recipient: Recipient) -> tuple[str, ...]:
    """Return the keys of the thread; a mail also has the token of its conversation."""
    if event["channel"] != MAIL:
        return recipient.thread
    return (token_key(reply_token(event["conversation_id"])), *recipient.thread)


def _each(payload: dict[str, Any], name: str, kind: type[S]) -> tuple[S, ...]:
    """Return a list of the payload; what no provider can use is left out."""
    given = payload.get(name)
    found = []
    for each in given if isinstance(given, list) else ():
        try:
            found.append(msgspec.convert(each, kind))
        except msgspec.ValidationError:
            continue
    return tuple(found)


def _answered(engine: Engine, event: RowMapping) -> str | None:
    """Return the provider's id of the message that this one answers, or None."""
    if event["in_reply_to"] is None:
        return None
    answered = queries.get_message(engine, event["conversation_id"], event["in_reply_to"])
    if answered is None or answered["payload"] is None:
        return None
    provider_id = msgspec.json.decode(answered["payload"]).get("provider_id")
    return provider_id if isinstance(provider_id, str) else None
