"""Calls of Vonage as items.

Sources: developer.vonage.com/en/api/messages (webhooks), /en/api/sms (webhooks),
/en/messages/guides/handling-whatsapp-usernames-and-bsuids, /en/messages/concepts/whatsapp/wa-status-callbacks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ingest.channels import addresses
from ingest.channels.base import (
    Account,
    Address,
    Call,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReactionItem,
    ReceiptItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.fields import (
    Fields,
    float_of,
    geo_url,
    id_of,
    is_form,
    iso_time,
    json_object,
    kind_name,
    object_of,
    present,
    text_of,
)
from ingest.channels.people import person_of
from ingest.channels.vonage.signature import sms_fields
from ingest.events.payloads import Attachment
from ingest.events.types import ReceiptStatus

_CHANNELS = {"mms": "sms", "viber_service": "viber"}
_MEDIA = ("image", "audio", "video", "file", "sticker", "vcard")
_DETAILS = ("order", "reply", "button", "contacts", "contact")
_STATUSES: Mapping[str, ReceiptStatus] = {
    "accepted": "submitted",
    "buffered": "submitted",
    "submitted": "submitted",
    "delivered": "delivered",
    "read": "read",
    "deleted": "failed",
    "expired": "failed",
    "failed": "failed",
    "rejected": "failed",
    "undeliverable": "failed",
}


def parse(call: Call, account: Account) -> Iterable[Inbound]:
    """Return the one item of a call, of the Messages API or of the SMS API. Raises UnreadableCallError."""
    raw = call.body or call.url.partition("?")[2].encode("utf-8", "replace")
    if is_form(call):
        return [_sms_item(sms_fields(call), raw, account)]
    body = _flat(json_object(call.body))
    if "messageId" in body:
        return [_sms_item(body, raw, account)]
    if "message_uuid" not in body and not {"message_type", "channel"} & body.keys():
        raise UnreadableCallError("the body is neither a message nor a status")
    return [_item(body, raw, account)]


def _flat(body: Fields) -> Fields:
    """Return a body of version 0.1, which nests sides and content, in the form of version 1."""
    content = object_of(object_of(body, "message"), "content")
    sides = {name: object_of(body, name) for name in ("from", "to")}
    numbers = {
        name: id_of(side, "number") or id_of(side, "id") for name, side in sides.items() if side
    }
    channel = present(channel=text_of(sides["from"], "type"))
    kind = present(message_type=text_of(content, "type"))
    return {**body, **content, **numbers, **channel, **kind} if numbers else body


def _item(body: Fields, raw: bytes, account: Account) -> Inbound:
    message = id_of(body, "message_uuid")
    if message is None:
        return UnreadableItem(reason="the message has no message_uuid", raw=raw)
    is_status = "status" in body and "message_type" not in body
    side, other = ("to", "from") if is_status else ("from", "to")
    person = _person(body, side, id_of(body, other) or account.address)
    if person is None and not is_status:
        return UnreadableItem(reason="the message has no sender", raw=raw)
    common: dict[str, Any] = {
        "provider_id": message,
        "person": person,
        "happened_at": iso_time(text_of(body, "timestamp")),
        "channel": _channel(body, account),
    }
    return _status(body, message, common) if is_status else _message(body, common)


def _channel(body: Fields, account: Account) -> str | None:
    """Return the channel if it differs from the account's. An MMS is on the channel of SMS."""
    name = text_of(body, "channel")
    channel = _CHANNELS.get(name, kind_name(name)) if name else account.channel
    return None if channel == account.channel else channel


def _person(body: Fields, side: str, our_id: str) -> Person | None:
    """Return who is on a side, with every address that the call names, or None."""
    whatsapp, profile = object_of(body, "whatsapp"), object_of(body, "profile")
    user = object_of(whatsapp, "sender" if side == "from" else "recipient")
    number = id_of(body, side)
    names = [id_of(user, name) for name in ("wa_id", "user_id", "parent_user_id")]
    found = [
        *([_address(text_of(body, "channel"), number, our_id)] if number else []),
        *(addresses.whatsapp(name) for name in names if name),
    ]
    return person_of(found, text_of(profile, "name"), username=text_of(profile, "username"))


def _address(channel: str | None, text: str, our_id: str) -> Address:
    match channel:
        case "whatsapp":
            return addresses.whatsapp(text)
        case "messenger":
            return addresses.page_scoped_id(text, our_id)
        case None | "sms" | "mms" | "rcs" | "viber_service":
            return addresses.phone(text)
        case _:
            return addresses.external_id(text, channel)


def _status(body: Fields, message: str, common: Mapping[str, Any]) -> Inbound:
    status = text_of(body, "status") or ""
    named = {**common, "provider_id": f"{message}:{status}"}
    if status not in _STATUSES:
        return OtherItem(**named, kind="status", data=body)
    error = object_of(body, "error")
    return ReceiptItem(
        **named,
        message=message,
        status=_STATUSES[status],
        code=id_of(error, "title") or id_of(error, "code"),
        reason=text_of(error, "detail") or text_of(error, "reason"),
        client_reference=text_of(body, "client_ref"),
    )


def _message(body: Fields, common: Mapping[str, Any]) -> Inbound:
    kind = text_of(body, "message_type") or ""
    answered = id_of(object_of(body, "context"), "message_uuid")
    content = object_of(body, kind)
    if kind == "reaction" and answered:
        reaction = None if content.get("action") == "unreact" else text_of(content, "emoji")
        return ReactionItem(**common, message=answered, reaction=reaction)
    if kind not in ("text", "content", "location", *_MEDIA, *_DETAILS):
        return OtherItem(**common, kind=kind_name(kind), text=text_of(body, "text"), data=body)
    text, attachments = _text(kind, body, content), tuple(_attachments(kind, body))
    if text is None and not attachments:
        return OtherItem(**common, kind=kind_name(kind), data=body)
    return MessageItem(
        **common,
        text=text,
        attachments=attachments,
        in_reply_to=answered,
        payload=_payload(kind, body),
    )


def _text(kind: str, body: Fields, content: Fields) -> str | None:
    if kind in ("text", "content"):
        return text_of(body, "text")
    names = {"reply": ("title",), "button": ("text",)}.get(kind, ("caption",))
    return next((text for name in names if (text := text_of(content, name))), None)


def _attachments(kind: str, body: Fields) -> Iterable[Attachment]:
    if kind == "location":
        yield from _place(object_of(body, kind))
    content = body.get("content")
    files = content if kind == "content" and isinstance(content, list) else [body.get(kind)]
    for file in files if kind in ("content", *_MEDIA) else ():
        if isinstance(file, dict) and text_of(file, "url"):
            yield Attachment(url=text_of(file, "url"), name=text_of(file, "name"))


def _place(place: Fields) -> Iterable[Attachment]:
    url = geo_url(float_of(place, "lat"), float_of(place, "long"))
    if url:
        yield Attachment(url=url, name=text_of(place, "name") or text_of(place, "address"))


def _payload(kind: str, body: Fields) -> dict[str, Any]:
    return present(
        message_type=None if kind == "text" else kind,
        referral=object_of(object_of(body, "whatsapp"), "referral"),
        **{kind: body.get(kind) for kind in (kind,) if kind in _DETAILS},
    )


def _sms_item(fields: Fields, raw: bytes, account: Account) -> Inbound:
    """Return an SMS or a delivery receipt of the SMS API. Its `msisdn` is always the customer's number."""
    message, number = id_of(fields, "messageId"), id_of(fields, "msisdn")
    if message is None or number is None:
        return UnreadableItem(reason="the SMS has no messageId or no msisdn", raw=raw)
    common: dict[str, Any] = {
        "provider_id": message,
        "person": person_of([addresses.phone(number)], None),
        "happened_at": iso_time(text_of(fields, "message-timestamp")),
        "channel": None if account.channel == "sms" else "sms",
    }
    if "status" in fields:
        return _sms_status(fields, message, common)
    if fields.get("type", "text") not in ("text", "unicode"):
        return OtherItem(**common, kind="sms", data=fields)
    text = text_of(fields, "text")
    if text is None:
        return OtherItem(**common, kind="empty_message", data=fields)
    return MessageItem(**common, text=text, payload=_part(fields))


def _sms_status(fields: Fields, message: str, common: Mapping[str, Any]) -> Inbound:
    status = (text_of(fields, "status") or "").lower()
    named = {**common, "provider_id": f"{message}:{status}"}
    if status not in _STATUSES:
        return OtherItem(**named, kind="status", data=fields)
    code = id_of(fields, "err-code")
    return ReceiptItem(
        **named,
        message=message,
        status=_STATUSES[status],
        code=None if code == "0" else code,
        client_reference=text_of(fields, "client-ref"),
    )


def _part(fields: Fields) -> dict[str, Any]:
    """Return which part of a long SMS it is, if Vonage has not put the parts together."""
    part = present(
        reference=id_of(fields, "concat-ref"),
        number=id_of(fields, "concat-part"),
        total=id_of(fields, "concat-total"),
    )
    return present(part=part)
