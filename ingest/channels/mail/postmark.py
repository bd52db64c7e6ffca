"""Postmark: inbound mail, delivery, bounce, open, click and spam webhooks, and mail over the Email API.

https://postmarkapp.com/developer/webhooks/webhooks-overview, …/user-guide/inbound, …/api/email-api. Calls have no
signature: the URL has user and password (Basic authentication).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ingest.channels.account_values import api_url, newest_secret
from ingest.channels.answers import answer_fields, failure, is_success
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
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    ReceiptItem,
    Rejected,
    Retry,
    Sent,
    UnreadableCallError,
    Unsendable,
)
from ingest.channels.basic_auth import PASSWORD, basic_header, verify_basic
from ingest.channels.fields import (
    Fields,
    count_of,
    id_of,
    iso_time,
    json_object,
    kind_name,
    object_of,
    text_of,
)
from ingest.channels.mail.attached import base64_text, file_name, file_type, with_files
from ingest.channels.mail.items import MAIL_KINDS, mail_items, mail_person
from ingest.channels.mail.mail import Mail
from ingest.channels.mail.mailbox_text import mailbox, mailbox_text
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.outgoing import OPTIONS, OutgoingMail, compose
from ingest.channels.mail.parsed import parsed_mail
from ingest.events.payloads import Attachment

API_URL = "https://api.postmarkapp.com"
MAX_FILE_BYTES = 7 * 1024 * 1024
"""Maximum size of the files of a mail; Postmark takes 10 MB as base64."""

REFERENCE = "convolake_reference"
TIMES = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
FAILURES = frozenset(
    (
        "HardBounce", "SoftBounce", "BadEmailAddress", "Blocked", "ManuallyDeactivated", "Unconfirmed", "SMTPApiError",
        "DMARCPolicy", "TemplateRenderingFailed", "SpamNotification", "VirusNotification",
    )
)  # fmt: skip
"""Types of bounces after which the mail is not delivered. The others are answers of robots, or temporary."""

UNPROCESSABLE = 422
"""The status of an answer whose `ErrorCode` says what is wrong with the mail."""

TEMPORARY_ERRORS = frozenset((100, 405, 412, 600, 601))
"""Error codes that a person or time can repair: maintenance, no credit, an account in review."""


class Postmark:
    """Mail through Postmark."""

    provider = "postmark"
    title = "Postmark"
    channels: tuple[str, ...] = ("email",)
    options: tuple[Field, ...] = (
        Field("message_stream", "The stream of outgoing mail, else `outbound`", is_required=False),
        Field("api_url", f"Another address of the API than {API_URL}", is_required=False),
        *OPTIONS,
    )
    secrets: tuple[Field, ...] = (PASSWORD, Field("server_token", "Server → API Tokens"))
    inbound_kinds: tuple[str, ...] = (*MAIL_KINDS, "status", "open", "click", "spam_complaint")
    redelivery = "Repeats inbound calls 10 times in 10.5 hours, others 3 times; 403 stops it."
    max_body_bytes = 50 * 1024 * 1024

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: Postmark checks no URL."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check user and password. Raises InvalidSignatureError."""
        verify_basic(call, account)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of a mail or of an event. Raises UnreadableCallError."""
        fields = json_object(call.body.lstrip(b"\xef\xbb\xbf"))
        kind = text_of(fields, "RecordType")
        if kind not in (None, "Inbound"):
            return [_event(fields, kind or "")]
        return list(mail_items(_mail(fields), account, call.body))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return one call of the Email API."""
        mail = compose(message, person, account)
        if isinstance(mail, Unsendable):
            return mail
        stream = account.options.get("message_stream") or "outbound"
        write = partial(_request, account, _content(mail, message.reference, stream))
        return [with_files(mail.attachments, MAX_FILE_BYTES, write)]

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what an answer means: `ErrorCode` 0 is success, and its `MessageID` is what webhooks name."""
        fields = answer_fields(answer)
        code = count_of(fields, "ErrorCode") or 0
        if is_success(answer) and code == 0:
            return Sent(text_of(fields, "MessageID"))
        if code in TEMPORARY_ERRORS:
            return Retry(f"Postmark does not take mail now, code {code}")
        if code and answer.status == UNPROCESSABLE:
            return Rejected(f"Postmark rejected the mail, code {code}", str(code))
        return failure(answer, str(answer.status))

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call with the credentials of the URL."""
        headers = {"content-type": "application/json", **basic_header(account)}
        return Call(method="POST", url="", headers=headers, query={}, body=body)


def _mail(fields: Fields) -> Mail:
    """Return an inbound mail. The raw mail is used if the inbox sends it and it has only ASCII: JSON loses other bytes."""
    raw = text_of(fields, "RawEmail")
    if raw is not None and raw.isascii():
        return read_mail(raw.encode())
    pairs = fields.get("Headers")
    headers = [
        (each.get("Name"), each.get("Value"))
        for each in (pairs if isinstance(pairs, list) else [])
        if isinstance(each, dict)
    ]
    named = [(n, v) for n, v in headers if isinstance(n, str) and isinstance(v, str)]
    known = _known(fields)
    if not known["from"] and not any(name.lower() == "from" for name, _ in named):
        raise UnreadableCallError("the call has neither a record type nor a sender")
    return parsed_mail(
        _with_id(named, fields),
        known,
        text=text_of(fields, "TextBody") or "",
        html=text_of(fields, "HtmlBody") or "",
        attachments=_attachments(fields.get("Attachments")),
    )


def _with_id(headers: list[tuple[str, str]], fields: Fields) -> list[tuple[str, str]]:
    """Add Postmark's own id to a mail without a Message-ID."""
    own = text_of(fields, "MessageID")
    if own is None or any(name.lower() == "message-id" for name, _ in headers):
        return headers
    return [*headers, ("Message-ID", f"<{own}@inbound.postmarkapp.com>")]


def _known(fields: Fields) -> dict[str, str]:
    known = {
        name: mailbox_text(fields.get(f"{field}Full"), text_of(fields, field))
        for name, field in (("from", "From"), ("to", "To"), ("cc", "Cc"))
    }
    return known | {
        "reply-to": text_of(fields, "ReplyTo") or "",
        "subject": text_of(fields, "Subject") or "",
        "date": text_of(fields, "Date") or "",
        "x-original-to": text_of(fields, "OriginalRecipient") or "",
    }


def _attachments(given: object) -> Iterable[Attachment]:
    for each in given if isinstance(given, list) else []:
        if isinstance(each, dict):
            content_id = text_of(each, "ContentID")
            yield Attachment(
                url=f"cid:{content_id.removeprefix('cid:').strip('<>')}" if content_id else None,
                content_type=text_of(each, "ContentType"),
                size=count_of(each, "ContentLength"),
                name=text_of(each, "Name"),
            )


def _event(fields: Fields, kind: str) -> Inbound:
    """Return the item of a webhook. Its id is made of what it names: only bounces have one."""
    message = text_of(fields, "MessageID") or ""
    moment = next((text_of(fields, name) for name in TIMES if text_of(fields, name)), None)
    key = id_of(fields, "ID") or f"{message}/{moment or ''}"
    common: dict[str, Any] = {
        "provider_id": f"{kind}/{key}",
        "person": mail_person(fields.get("Recipient") or fields.get("Email")),
        "happened_at": iso_time(moment),
    }
    is_failure = kind == "Bounce" and text_of(fields, "Type") in FAILURES
    if not message or not (is_failure or kind == "Delivery"):
        return OtherItem(kind=kind_name(kind), data=fields, **common)
    return ReceiptItem(
        message=message,
        status="failed" if is_failure else "delivered",
        code=id_of(fields, "TypeCode") if is_failure else None,
        reason=text_of(fields, "Description") if is_failure else None,
        client_reference=text_of(object_of(fields, "Metadata"), REFERENCE),
        **common,
    )


def _request(account: Account, content: Mapping[str, Any], files: Sequence[File]) -> HttpRequest:
    attached = [
        {"Name": file_name(each), "Content": base64_text(each), "ContentType": file_type(each)}
        for each in files
    ]
    return HttpRequest(
        url=f"{api_url(account, API_URL)}/email",
        headers=(
            ("x-postmark-server-token", newest_secret(account, "server_token")),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ),
        body=msgspec.json.encode({**content, **({"Attachments": attached} if attached else {})}),
    )


def _content(mail: OutgoingMail, reference: str, stream: str) -> Mapping[str, Any]:
    """Return the JSON of the Email API. `X-PM-KeepID` keeps our Message-ID."""
    headers = {**mail.headers, "X-PM-KeepID": "true"}
    content: dict[str, Any] = {
        "From": mailbox(mail.sender, mail.sender_name),
        "To": mailbox(mail.recipient, mail.recipient_name),
        "Subject": mail.subject,
        "TextBody": mail.text,
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
        "Metadata": {REFERENCE: reference[:80]},
        "MessageStream": stream,
    }
    if mail.reply_to is not None:
        content["ReplyTo"] = mail.reply_to
    return content


ADAPTER = Postmark()
