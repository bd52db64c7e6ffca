"""A message as a mail: subject, headers and text, the same for SMTP and for the providers' APIs.

No value of a header has a line break, so no message can add a header.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email
from msgspec import Struct

from ingest.channels.base import Account, Field, File, OutboundMessage, Person, Unsendable
from ingest.channels.choices import choices_of
from ingest.channels.mail.attached import MEDIA, attach, attached_of
from ingest.channels.mail.automatic import MARKER, OUR_PREFIX, mail_domain
from ingest.channels.mail.mail import storable
from ingest.channels.reply_tokens import reply_address, subject_with_token
from ingest.events.payloads import Attachment

OPTIONS = (
    Field("name", "The name that customers see in the header From", is_required=False),
    Field("default_subject", "The subject of a mail that begins a conversation", is_required=False),
    Field("subject_tokens", "`no` leaves the token out of subjects", is_required=False),
    Field(
        "reply_tokens",
        "`yes` if the inbox takes addresses such as help+c-…@shop.example: replies go there",
        is_required=False,
    ),
    MEDIA,
)
"""Options of every account that sends mail."""

MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
REPLY = re.compile(
    r"\s*(?:re|aw|sv|antw|vs|odp|ref?|rif|回复|答复|回覆)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE
)
SAFE_REFERENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9])){0,59}")
MAX_REFERENCES = 50
MAX_SUBJECT = 400


class OutgoingMail(Struct, frozen=True, kw_only=True):
    """A mail. Addresses are ASCII. `headers`: those besides From, To, Subject, Reply-To and Date.

    `attachments`: those whose files are part of the mail.
    """

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    reply_to: str | None
    subject: str
    text: str
    headers: Mapping[str, str]
    message_id: str
    attachments: tuple[Attachment, ...] = ()


def message_id_of(reference: str, account: Account) -> str:
    """Return the Message-ID of a send: the same at each attempt, and recognised in replies and bounces."""
    is_safe = SAFE_REFERENCE.fullmatch(reference) is not None
    local = reference if is_safe else hashlib.sha256(reference.encode()).hexdigest()[:40]
    return f"<{OUR_PREFIX}{local}@{mail_domain(account.address) or 'convolake.invalid'}>"


def compose(
    message: OutboundMessage, person: Person, account: Account
) -> OutgoingMail | Unsendable:
    """Return the mail of a message."""
    named = next((each.value for each in person.addresses if each.kind == "email"), None)
    recipient, sender = ascii_address(named or ""), ascii_address(account.address)
    attached = attached_of(message, account)
    text = _text(message, [each for each in message.attachments if each not in attached])
    if recipient is None:
        return Unsendable("the person has no mail address that every server can take")
    if sender is None:
        return Unsendable("the account's address is no mail address")
    if not text.strip() and not attached:
        return Unsendable("the message has no text, no attachment and no choice")
    references = _references(message)
    token = _token(message)
    takes_tokens = account.options.get("reply_tokens") == "yes"
    return OutgoingMail(
        sender=sender,
        sender_name=_line(account.options.get("name", "")),
        recipient=recipient,
        recipient_name=_line(person.name or ""),
        reply_to=reply_address(sender, token) if token and takes_tokens else None,
        subject=_subject(message, account, token, is_reply=bool(references)),
        text=text,
        headers=_headers(message, account, references),
        message_id=message_id_of(message.reference, account),
        attachments=attached,
    )


def to_mime(mail: OutgoingMail, now: int, files: Sequence[File] = ()) -> bytes:
    """Return the mail with its files as bytes, `now` in microseconds since 1970."""
    content = EmailMessage(policy=policy.SMTP.clone(max_line_length=900))
    content["From"] = MailAddress(mail.sender_name, addr_spec=mail.sender)
    content["To"] = MailAddress(mail.recipient_name, addr_spec=mail.recipient)
    if mail.reply_to is not None:
        content["Reply-To"] = MailAddress(mail.sender_name, addr_spec=mail.reply_to)
    content["Subject"] = mail.subject
    content["Date"] = format_datetime(datetime.fromtimestamp(now / 1_000_000, UTC))
    for name, value in mail.headers.items():
        content[name] = value
    content.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    for file in files:
        attach(content, file)
    return bytes(content)


def ascii_address(value: str) -> str | None:
    """Return a mail address with its domain as `xn--…`, or None if it is none or its first part is not ASCII."""
    try:
        valid = validate_email(
            value,
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
            allow_domain_literal=True,
        )
    except (EmailNotValidError, ValueError):
        return None
    return valid.ascii_email


def _line(text: str) -> str:
    """Return a text that fits into a header: control characters and line breaks become spaces."""
    spaced = "".join(each if each.isprintable() else " " for each in storable(text))
    return re.sub(r" +", " ", spaced).strip()[:MAX_SUBJECT]


def _subject(
    message: OutboundMessage, account: Account, token: str | None, *, is_reply: bool
) -> str:
    given = _line(message.subject or "") or _line(account.options.get("default_subject", ""))
    subject = given or "Your message"
    if is_reply and not REPLY.match(subject):
        subject = f"Re: {subject}"
    if token is None or account.options.get("subject_tokens") == "no":
        return subject
    return subject_with_token(subject, token)


def _token(message: OutboundMessage) -> str | None:
    tokens = [each.removeprefix("token:") for each in message.thread if each.startswith("token:")]
    return tokens[-1] if tokens and re.fullmatch(r"[a-z2-7]{16}", tokens[-1]) else None


def _references(message: OutboundMessage) -> list[str]:
    """Return the chain of Message-IDs, oldest first; the last is the one that this mail answers."""
    known = [each for each in message.thread if MESSAGE_ID.fullmatch(each)]
    if message.in_reply_to and MESSAGE_ID.fullmatch(message.in_reply_to):
        known = [each for each in known if each != message.in_reply_to] + [message.in_reply_to]
    chain = list(dict.fromkeys(known))
    return chain if len(chain) <= MAX_REFERENCES else [chain[0], *chain[1 - MAX_REFERENCES :]]


def _headers(message: OutboundMessage, account: Account, references: list[str]) -> dict[str, str]:
    headers = {"Message-ID": message_id_of(message.reference, account)}
    if references:
        headers |= {"In-Reply-To": references[-1], "References": " ".join(references)}
    if message.is_automatic:
        headers["Auto-Submitted"] = "auto-replied" if references else "auto-generated"
        headers["X-Auto-Response-Suppress"] = "All"
    headers[MARKER.title()] = _line(message.reference)
    return headers


def _text(message: OutboundMessage, listed: Sequence[Attachment]) -> str:
    """Return the text, and `listed` attachments and choices as lines below it."""
    lines = [
        *(": ".join(filter(None, (_line(each.name or ""), each.url))) for each in listed),
        *(": ".join(filter(None, (_line(each.title), each.url))) for each in choices_of(message)),
    ]
    below = "\n".join(line for line in lines if line)
    return storable("\n\n".join(part for part in (message.text, below) if part))
