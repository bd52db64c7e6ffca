"""A mail as items of the seam: the message, and the receipt if it reports a delivery."""

from collections.abc import Iterator
from typing import Any

from ingest.channels import addresses
from ingest.channels.base import Account, Inbound, MessageItem, Person, ReceiptItem, UnreadableItem
from ingest.channels.mail.automatic import (
    MARKER,
    NO_REPLY,
    automatic_reason,
    is_our_message_id,
    replies_elsewhere,
)
from ingest.channels.mail.mail import Mail, Mailbox, storable
from ingest.channels.mail.new_text import new_text
from ingest.channels.reply_tokens import key_of_recipient, key_of_subject
from ingest.events.payloads import Attachment

MAX_TEXT_BYTES = 80_000
"""UTF-8 bytes of a text in an event, which has at most 256 KiB. The raw call keeps the whole mail."""

MAIL_KINDS: tuple[str, ...] = ("text", "attachment", "automatic", "bounce")
"""The kinds of items that a mail gives, for the documentation."""

MAX_ADDRESSES = 100
MAX_THREAD = 50
MAX_ATTACHMENTS = 200
MAX_SUBJECT = 500


def mail_items(mail: Mail, account: Account, raw: bytes) -> Iterator[Inbound]:
    """Yield the items of a mail; `raw` is kept if it names no sender."""
    reason = automatic_reason(mail, account.address)
    customer = _customer(mail, account, reason)
    receipt = _receipt(mail, account)
    if receipt is not None:
        yield receipt
    if customer is None:
        yield UnreadableItem(reason="the mail names no sender", raw=raw)
        return
    yield mail_message(mail, customer, reason)


def mail_person(address: object) -> Person | None:
    """Return the person of a mail address that a provider names, or None."""
    if not isinstance(address, str) or "@" not in address:
        return None
    return Person(addresses=(addresses.email(address),))


def mail_message(mail: Mail, customer: Mailbox, reason: str | None) -> MessageItem:
    """Return the message of a mail; `reason`: why it is automatic, if it is."""
    whole = (mail.text or "").strip("\r\n")
    subject = mail.decoded("subject")
    text = new_text(whole, subject)
    notes = list(mail.notes)
    attachments = _attachments(mail, notes)
    payload: dict[str, Any] = {"email": _fields(mail, text, whole, subject, notes)}
    if reason is not None:
        payload["automatic"] = reason
    return MessageItem(
        provider_id=mail.message_id(),
        person=Person(addresses=(addresses.email(customer.address),), name=customer.name),
        happened_at=mail.sent_at(),
        thread=_thread(mail),
        author="customer" if reason is None else "system",
        author_name=customer.name,
        text=_cut(text) or (None if attachments else subject or None),
        attachments=attachments,
        in_reply_to=next(iter(mail.message_ids("in-reply-to")), None),
        client_reference=mail.value(MARKER) or None,
        payload=payload,
    )


def _attachments(mail: Mail, notes: list[str]) -> tuple[Attachment, ...]:
    """Return the files as an event can hold them: few, with short texts."""
    if len(mail.attachments) > MAX_ATTACHMENTS:
        notes.append("attachments_left_out")
    return tuple(
        Attachment(
            url=_short(each.url),
            content_type=_short(each.content_type),
            size=each.size,
            name=_short(each.name),
        )
        for each in mail.attachments[:MAX_ATTACHMENTS]
    )


def _short(text: str | None) -> str | None:
    return storable(text)[:MAX_SUBJECT] or None if text else None


def _fields(mail: Mail, text: str, whole: str, subject: str, notes: list[str]) -> dict[str, Any]:
    """Return what the payload keeps of a mail: fields without a value are left out."""
    if len(whole.encode()) > MAX_TEXT_BYTES and "text_cut" not in notes:
        notes.append("text_cut")
    fields = {
        "subject": subject[:MAX_SUBJECT],
        "message_id": mail.message_id(),
        "in_reply_to": next(iter(mail.message_ids("in-reply-to")), None),
        "references": list(mail.message_ids("references")[-MAX_THREAD:]),
        **{
            name.replace("-", "_"): [
                {"address": each.address, **({"name": each.name} if each.name else {})}
                for each in mail.mailboxes(name)[:MAX_ADDRESSES]
            ]
            for name in ("from", "reply-to", "to", "cc")
        },
        "original_text": _cut(whole) if text != whole else None,
        "notes": notes,
    }
    return {name: value for name, value in fields.items() if value}


def _cut(text: str) -> str:
    raw = text.encode()
    return text if len(raw) <= MAX_TEXT_BYTES else raw[:MAX_TEXT_BYTES].decode(errors="ignore")


def _customer(mail: Mail, account: Account, reason: str | None) -> Mailbox | None:
    """Return the person on the other side: the author, or who a robot or a group writes for.

    A bounce is about its recipient. Our own mail is about the first recipient that is not us.
    """
    authors = mail.mailboxes("from")
    if reason == "delivery_report" and mail.report is not None and mail.report.recipient:
        return Mailbox(None, mail.report.recipient)
    if reason == "own_mail":
        everyone = (*mail.mailboxes("to"), *mail.mailboxes("cc"), *authors)
        return next((each for each in everyone if not _is_ours(each, account)), None) or next(
            iter(authors), None
        )
    author = next(iter(authors), None)
    if author is None:
        return _envelope_sender(mail)
    if NO_REPLY.match(author.address) or (
        _is_ours(author, account) and replies_elsewhere(mail, account.address)
    ):
        others = (*mail.mailboxes("x-original-from"), *mail.mailboxes("reply-to"))
        return next((each for each in others if not _is_ours(each, account)), author)
    return author


def _is_ours(mailbox: Mailbox, account: Account) -> bool:
    return mailbox.address.lower() == account.address.lower()


def _envelope_sender(mail: Mail) -> Mailbox | None:
    named = (*mail.mailboxes("sender"), *mail.mailboxes("return-path"))
    if not named and mail.envelope_sender:
        return Mailbox(None, mail.envelope_sender)
    return next(iter(named), None)


def _thread(mail: Mail) -> tuple[str, ...]:
    """Return the keys of the conversation, best first: Message-IDs, the address answered to, a token in the subject."""
    reported = mail.report.original_id if mail.report else None
    keys: list[str | None] = [
        *mail.message_ids("in-reply-to"),
        *reversed(mail.message_ids("references")),
        reported,
        *(
            key_of_recipient(each.address)
            for name in ("to", "cc", "delivered-to", "x-original-to")
            for each in mail.mailboxes(name)
        ),
        key_of_subject(mail.decoded("subject")),
    ]
    return tuple(dict.fromkeys(key for key in keys if key))[:MAX_THREAD]


def _receipt(mail: Mail, account: Account) -> ReceiptItem | None:
    """Return the receipt that a delivery report means for a mail that we sent."""
    report = mail.report
    if report is None or report.original_id is None:
        return None
    if report.action != "failed" or not is_our_message_id(report.original_id, account.address):
        return None
    return ReceiptItem(
        provider_id=f"{mail.message_id()}/report",
        person=None,
        happened_at=mail.sent_at(),
        message=report.original_id,
        status="failed",
        code=report.status,
        reason=report.reason,
    )
