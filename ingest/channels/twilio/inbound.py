"""Calls of Twilio as items.

Sources: twilio.com/docs/messaging/guides/webhook-request, /docs/conversations/conversations-webhooks.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import unquote

from ingest.channels import addresses
from ingest.channels.base import (
    Account,
    Address,
    Call,
    DeletionItem,
    EditItem,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    ReceiptItem,
    UnreadableCallError,
    UnreadableItem,
)
from ingest.channels.fields import (
    Fields,
    count_of,
    float_of,
    form_pairs,
    geo_url,
    id_of,
    is_form,
    iso_time,
    json_body,
    json_object,
    kind_name,
    present,
    text_of,
)
from ingest.channels.people import person_of
from ingest.channels.twilio import outbound
from ingest.events.payloads import Attachment
from ingest.events.types import ReceiptStatus

_PREFIX = re.compile(r"([a-z]{1,32}):", re.IGNORECASE)
_STATUSES: Mapping[str, ReceiptStatus] = {
    "accepted": "submitted",
    "scheduled": "submitted",
    "queued": "submitted",
    "sending": "submitted",
    "sent": "submitted",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def parse(call: Call, account: Account) -> Iterable[Inbound]:
    """Return the one item of a call. Raises UnreadableCallError."""
    if is_form(call):
        form = dict(reversed(form_pairs(call)))
    else:
        form = _form_of_json(json_object(call.body))
    return [_item(form, call, account)]


def _form_of_json(body: Fields) -> dict[str, str]:
    """Return the fields of a form that was written as JSON; the plus of a number may still be `%2B`."""
    texts = {name: id_of(body, name) for name in body}
    form = {name: text for name, text in texts.items() if text is not None}
    for side in ("From", "To"):
        if form.get(side, "").startswith("%2B"):
            form[side] = unquote(form[side])
    return form


def _item(form: Mapping[str, str], call: Call, account: Account) -> Inbound:
    if "EventType" in form and "ConversationSid" in form:
        return _conversation_event(form, call, account)
    sid = form.get("MessageSid") or form.get("SmsMessageSid") or form.get("SmsSid")
    if not sid:
        return _without_sid(form, call, account)
    status = (form.get("MessageStatus") or form.get("SmsStatus") or "received").lower()
    if status not in ("received", "receiving"):
        return _status(form, sid, status, call, account)
    return _message(form, sid, call, account)


def _without_sid(form: Mapping[str, str], call: Call, account: Account) -> Inbound:
    raw = _raw(call)
    if "AccountSid" not in form:
        return UnreadableItem(reason="no message: neither MessageSid nor SmsSid", raw=raw)
    return OtherItem(
        provider_id=hashlib.sha256(raw).hexdigest(),
        person=_person(form, "From", account),
        kind=kind_name(form.get("EventType") or "call"),
        data=dict(form),
    )


def _raw(call: Call) -> bytes:
    return call.body or call.url.partition("?")[2].encode("utf-8", "replace")


def _message(form: Mapping[str, str], sid: str, call: Call, account: Account) -> Inbound:
    person = _person(form, "From", account)
    if person is None:
        return UnreadableItem(reason="a message without a sender", raw=_raw(call))
    common: dict[str, Any] = {
        "provider_id": sid,
        "person": person,
        "channel": _channel(form, "From", account),
        "text": form.get("Body") or form.get("ButtonText") or form.get("ListTitle") or None,
    }
    attachments = (*_media(form), *_place(form))
    if not attachments and common["text"] is None:
        return OtherItem(**common, kind="empty_message", data=dict(form))
    return MessageItem(
        **common,
        attachments=attachments,
        in_reply_to=form.get("OriginalRepliedMessageSid") or None,
        payload=_payload(form),
    )


def _status(
    form: Mapping[str, str], sid: str, status: str, call: Call, account: Account
) -> Inbound:
    person = _person(form, "To", account)
    channel = _channel(form, "To", account)
    if status not in _STATUSES:
        return OtherItem(
            provider_id=f"{sid}:{status}",
            person=person,
            channel=channel,
            kind="status",
            data=dict(form),
        )
    return ReceiptItem(
        provider_id=f"{sid}:{status}",
        person=person,
        channel=channel,
        message=sid,
        status=_STATUSES[status],
        code=form.get("ErrorCode") or form.get("ChannelStatusCode") or None,
        reason=form.get("ErrorMessage") or form.get("ChannelStatusMessage") or None,
        client_reference=call.query.get(outbound.REFERENCE) or None,
    )


def _person(form: Mapping[str, str], side: str, account: Account) -> Person | None:
    """Return who is on a side, with every address that the call names, or None."""
    number, user = form.get(side), form.get("WaId")
    found = [
        *([_address(number, _bare(account.address))] if number else []),
        *([addresses.whatsapp(user)] if user else []),
        *(
            addresses.bsuid(form[name])
            for name in ("ExternalUserId", "ParentExternalUserId")
            if form.get(name)
        ),
    ]
    name = form.get("ProfileName") or None
    return person_of(found, name, username=form.get("ProfileUsername"))


def _address(text: str, our_id: str) -> Address:
    match _prefix(text):
        case "messenger":
            return addresses.page_scoped_id(_bare(text), our_id)
        case "whatsapp":
            return addresses.whatsapp(text)
        case "" | "rcs" | "sms" | "mms":
            return addresses.phone(text)
        case prefix:
            return addresses.external_id(_bare(text), prefix)


def _prefix(text: str) -> str:
    found = _PREFIX.match(text)
    return found[1].lower() if found else ""


def _bare(text: str) -> str:
    return _PREFIX.sub("", text, count=1)


def _channel(form: Mapping[str, str], side: str, account: Account) -> str | None:
    """Return the channel if it differs from the account's, by the prefix of the other side's address."""
    has_user = form.get("WaId") or form.get("ExternalUserId")
    default = "whatsapp" if has_user else "sms" if form.get(side) else account.channel
    channel = _prefix(form.get(side) or "") or default
    return None if channel == account.channel else channel


def _media(form: Mapping[str, str]) -> tuple[Attachment, ...]:
    """Return the media in the order of their numbers. NumMedia is not needed, and may be wrong."""
    numbers = sorted(
        int(name[8:])
        for name in form
        if name.startswith("MediaUrl") and re.fullmatch(r"[0-9]{1,4}", name[8:])
    )
    return tuple(
        Attachment(
            url=form[f"MediaUrl{number}"],
            content_type=form.get(f"MediaContentType{number}") or None,
        )
        for number in numbers
        if form.get(f"MediaUrl{number}")
    )


def _place(form: Mapping[str, str]) -> tuple[Attachment, ...]:
    url = geo_url(float_of(form, "Latitude"), float_of(form, "Longitude"))
    name = form.get("Label") or form.get("Address") or None
    return (Attachment(url=url, name=name),) if url else ()


def _payload(form: Mapping[str, str]) -> dict[str, Any]:
    return present(
        button=present(payload=form.get("ButtonPayload"), text=form.get("ButtonText")),
        reply=present(id=form.get("ListId"), title=form.get("ListTitle")),
        referral={kind_name(name[8:]): form[name] for name in form if name.startswith("Referral")},
        opt_out_type=form.get("OptOutType"),
        is_forwarded=form.get("Forwarded") == "true"
        or form.get("FrequentlyForwarded") == "true"
        or None,
        interactive_data=form.get("InteractiveData") or form.get("FlowData"),
    )


def _conversation_event(form: Mapping[str, str], call: Call, account: Account) -> Inbound:
    """Return an event of Conversations. Its author is an address of the customer, or the name of an agent."""
    event, message = form["EventType"], form.get("MessageSid") or form["ConversationSid"]
    changed = form.get("DateUpdated") or form.get("DateCreated")
    common: dict[str, Any] = {
        "provider_id": f"{message}:{event}:{changed or hashlib.sha256(_raw(call)).hexdigest()}",
        "person": _author(form, account),
        "happened_at": iso_time(changed),
        "thread": (form["ConversationSid"],),
    }
    match event:
        case "onMessageAdded":
            return _conversation_message(form, common | {"provider_id": message})
        case "onMessageUpdated":
            text = form.get("Body", "")
            return EditItem(**common, message=message, text=text, author=_role(common))
        case "onMessageRemoved":
            return DeletionItem(**common, message=message, author=_role(common))
        case "onDeliveryUpdated" if form.get("Status") in _STATUSES:
            return ReceiptItem(
                **common | {"provider_id": f"{message}:{form['Status']}", "person": None},
                message=message,
                status=_STATUSES[form["Status"]],
                code=form.get("ErrorCode") or None,
            )
        case _:
            return OtherItem(**common, kind=kind_name(event.removeprefix("on")), data=dict(form))


def _conversation_message(form: Mapping[str, str], common: Mapping[str, Any]) -> MessageItem:
    return MessageItem(
        **common,
        author=_role(common),
        author_name=None if common["person"] else form.get("Author"),
        text=form.get("Body") or None,
        attachments=_conversation_media(form.get("Media", "[]")),
    )


def _author(form: Mapping[str, str], account: Account) -> Person | None:
    author = form.get("Author", "")
    if _prefix(author) or author.startswith("+"):
        return person_of([_address(author, _bare(account.address))], None)
    return None


def _role(common: Mapping[str, Any]) -> Literal["customer", "agent"]:
    return "customer" if common["person"] else "agent"


def _conversation_media(text: str) -> tuple[Attachment, ...]:
    """Return media without a URL: Conversations gives their SIDs, which are kept in the raw call."""
    try:
        media = json_body(text.encode())
    except UnreadableCallError:
        return ()
    files = [each for each in media if isinstance(each, dict)] if isinstance(media, list) else []
    return tuple(
        Attachment(
            content_type=text_of(each, "ContentType"),
            name=text_of(each, "Filename"),
            size=count_of(each, "Size"),
        )
        for each in files
    )
