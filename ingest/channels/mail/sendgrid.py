"""SendGrid: Inbound Parse (parsed and raw), Event Webhook, and mail over `v3/mail/send`.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email, …/tracking-events/event, and the signature in
…/tracking-events/getting-started-event-webhook-security-features: ECDSA over the timestamp and the raw body.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ingest.channels.account_values import api_url, newest_secret, secrets_of
from ingest.channels.answers import failure, is_success
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    File,
    HttpRequest,
    Inbound,
    Interpretation,
    InvalidSignatureError,
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    ReceiptItem,
    Sent,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.fields import count_of, json_body, kind_name, text_of
from ingest.channels.mail import sendgrid_signature
from ingest.channels.mail.attached import base64_text, file_name, file_type, with_files
from ingest.channels.mail.form_data import Form, content_type_of, read_form
from ingest.channels.mail.items import MAIL_KINDS, mail_items, mail_person
from ingest.channels.mail.mail import Mail
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.outgoing import OPTIONS, OutgoingMail, compose
from ingest.channels.mail.parsed import header_block, parsed_mail
from ingest.events.payloads import Attachment
from ingest.events.types import ReceiptStatus

API_URL = "https://api.sendgrid.com"
MAX_FILE_BYTES = 20 * 1024 * 1024
"""Maximum size of the files of a mail; SendGrid takes 30 MB of JSON."""

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
WINDOW = 24 * 3600 * 1_000_000
"""Microseconds; wide, because a repeated call may have the timestamp of the first one."""

STATUSES: Mapping[str, ReceiptStatus] = {
    "delivered": "delivered", "bounce": "failed", "dropped": "failed",
}  # fmt: skip
"""An open is no receipt: mail programs fetch pictures without a reader. A deferral is not the end."""

REFERENCE = "convolake_reference"


class SendGrid:
    """Mail through SendGrid."""

    provider = "sendgrid"
    title = "SendGrid"
    channels: tuple[str, ...] = ("email",)
    options: tuple[Field, ...] = (
        Field("api_url", f"Another address of the API than {API_URL}", is_required=False),
        *OPTIONS,
    )
    secrets: tuple[Field, ...] = (
        Field("public_key", "Verification keys of the Event Webhook and of Inbound Parse"),
        Field("api_key", "Settings → API Keys, with the permission Mail Send"),
        Field("replay_key", "A private key (PEM), to sign recorded calls", is_required=False),
    )
    inbound_kinds: tuple[str, ...] = (*MAIL_KINDS, "status", "open", "click", "spamreport")
    redelivery = "Repeats calls that get no 2xx: mails for 3 days, events for 24 hours."
    max_body_bytes = 40 * 1024 * 1024

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: SendGrid checks no URL."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check the signature, and a timestamp within 24 hours. Raises InvalidSignatureError."""
        timestamp = call.headers.get(TIMESTAMP, "")
        signature = call.headers.get(SIGNATURE, "")
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            raise InvalidSignatureError("the call has no timestamp")
        if abs(now - int(timestamp) * 1_000_000) > WINDOW:
            raise InvalidSignatureError("the timestamp is more than 24 hours away")
        keys = secrets_of(account, "public_key")
        sendgrid_signature.verify(timestamp.encode() + call.body, signature, keys)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of a mail or of events. Raises UnreadableCallError."""
        if call.body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"["):
            events = json_body(call.body.lstrip(b"\xef\xbb\xbf"))
            return [_event(each) for each in events]
        form = read_form(call)
        return list(mail_items(_mail(form), account, call.body))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return one call of mail/send."""
        mail = compose(message, person, account)
        if isinstance(mail, Unsendable):
            return mail
        write = partial(_request, account, _content(mail, message.reference))
        return [with_files(mail.attachments, MAX_FILE_BYTES, write)]

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what an answer means: 202 has the id that events name."""
        if is_success(answer):
            return Sent(answer.headers.get("x-message-id"))
        return failure(answer, str(answer.status), is_temporary=answer.status == 403)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call, signed with the account's private key for replays."""
        timestamp = str(now // 1_000_000)
        key = newest_secret(account, "replay_key")
        headers = {
            "content-type": content_type_of(body, content_type),
            TIMESTAMP: timestamp,
            SIGNATURE: sendgrid_signature.sign(timestamp.encode() + body, key),
        }
        return Call(method="POST", url="", headers=headers, query={}, body=body)


def _mail(form: Form) -> Mail:
    """Return the mail of Inbound Parse: raw in the field `email`, or parsed."""
    envelope = form.json("envelope")
    sender = envelope["from"] if isinstance(envelope.get("from"), str) else None
    if "email" in form.fields:
        return read_mail(form.fields["email"], sender)
    charsets = form.json("charsets")
    known = {
        name: form.text(name, text_of(charsets, name)) for name in ("from", "to", "cc", "subject")
    }
    recipients = envelope.get("to")
    known["x-original-to"] = ", ".join(
        each
        for each in (recipients if isinstance(recipients, list) else [])
        if isinstance(each, str)
    )
    return parsed_mail(
        header_block(form.text("headers")),
        known,
        text=form.text("text", text_of(charsets, "text")),
        html=form.text("html", text_of(charsets, "html")),
        attachments=_attachments(form),
        envelope_sender=sender,
    )


def _attachments(form: Form) -> Iterable[Attachment]:
    described = form.json("attachment-info")
    for name, file in form.files.items():
        given = described.get(name)
        info: Mapping[str, Any] = given if isinstance(given, dict) else {}
        content_id = text_of(info, "content-id")
        yield Attachment(
            url=f"cid:{content_id.strip('<>')}" if content_id else None,
            content_type=text_of(info, "type") or file.content_type,
            size=file.size,
            name=text_of(info, "filename") or file.name,
        )


def _event(event: object) -> Inbound:
    """Return the item of one event. SendGrid leaves out sg_message_id where a bounce came late."""
    if not isinstance(event, dict):
        return UnreadableItem(reason="an event is no object", raw=msgspec.json.encode(event))
    name, key = text_of(event, "event"), text_of(event, "sg_event_id")
    if name is None or key is None:
        return UnreadableItem(
            reason="an event has no type or no id", raw=msgspec.json.encode(event)
        )
    seconds = count_of(event, "timestamp")
    happened_at = seconds * 1_000_000 if seconds and seconds < 2**40 else None
    message = _message_id(event)
    if name in STATUSES and message is not None:
        return ReceiptItem(
            provider_id=key,
            person=mail_person(event.get("email")),
            happened_at=happened_at,
            message=message,
            status=STATUSES[name],
            code=text_of(event, "status"),
            reason=text_of(event, "reason") or text_of(event, "type"),
            client_reference=text_of(event, REFERENCE),
        )
    return OtherItem(
        provider_id=key,
        person=mail_person(event.get("email")),
        happened_at=happened_at,
        kind=kind_name(name),
        data=event,
    )


def _message_id(event: Mapping[str, Any]) -> str | None:
    """Return the id of the mail: the part of sg_message_id that the answer to our send had, else its Message-ID."""
    full = text_of(event, "sg_message_id")
    if full is None:
        return text_of(event, "smtp-id")
    return re.split(r"\.(?:filter|recvd)", full, maxsplit=1)[0]


def _request(account: Account, content: dict[str, Any], files: Sequence[File]) -> HttpRequest:
    attached = [
        {
            "content": base64_text(each),
            "type": file_type(each),
            "filename": file_name(each),
            "disposition": "attachment",
        }
        for each in files
    ]
    key = newest_secret(account, "api_key")
    return HttpRequest(
        url=f"{api_url(account, API_URL)}/v3/mail/send",
        headers=(("authorization", f"Bearer {key}"), ("content-type", "application/json")),
        body=msgspec.json.encode(content | ({"attachments": attached} if attached else {})),
    )


def _content(mail: OutgoingMail, reference: str) -> dict[str, Any]:
    """Return the JSON of mail/send."""
    content: dict[str, Any] = {
        "personalizations": [
            {
                "to": [_mailbox(mail.recipient, mail.recipient_name)],
                "custom_args": {REFERENCE: reference},
            }
        ],
        "from": _mailbox(mail.sender, mail.sender_name),
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}],
        "headers": dict(mail.headers),
    }
    if mail.reply_to is not None:
        content["reply_to"] = _mailbox(mail.reply_to, mail.sender_name)
    return content


def _mailbox(address: str, name: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


ADAPTER = SendGrid()
