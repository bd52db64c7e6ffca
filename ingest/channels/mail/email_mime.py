"""Mail without a provider: a mail server posts each mail as it is, and takes answers over SMTP.

Inbound: `POST` with the bytes of the mail (`message/rfc822`), by a pipe of Postfix or a fetcher, with Basic
authentication. Outbound: RFC 5321 replies.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from msgspec import Struct

from ingest.channels.account_values import newest_secret
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    File,
    Inbound,
    Interpretation,
    MailRequest,
    OutboundMessage,
    OutboundRequest,
    Person,
    Rejected,
    Retry,
    Sent,
    Unsendable,
)
from ingest.channels.basic_auth import PASSWORD, basic_header, verify_basic
from ingest.channels.mail.attached import with_files
from ingest.channels.mail.items import MAIL_KINDS, mail_items
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.outgoing import OPTIONS, OutgoingMail, compose, to_mime

SUBMISSION_PORT = 587
MAX_FILE_BYTES = 17 * 1024 * 1024
"""Maximum size of the files of a mail: less than 25 MB as base64, which most servers take."""

SIGN_IN_CODES = frozenset((530, 534, 535, 538))
"""Replies about the sign-in (RFC 4954): a person can repair it, and the mail waits."""


class SmtpSettings(Struct, frozen=True):
    """The SMTP server of an account."""

    host: str
    port: int
    username: str | None
    password: str | None
    is_encrypted: bool


def smtp_settings(account: Account) -> SmtpSettings:
    """Return the SMTP server that takes the mails of an account."""
    port = account.options.get("smtp_port", "")
    return SmtpSettings(
        host=account.options.get("smtp_host", ""),
        port=int(port) if port.isascii() and port.isdigit() else SUBMISSION_PORT,
        username=account.options.get("smtp_user") or None,
        password=newest_secret(account, "smtp_password") or None,
        is_encrypted=account.options.get("smtp_encryption", "yes") != "no",
    )


class EmailMime:
    """Raw mail over HTTP, and SMTP."""

    provider = "email"
    title = "Email (any mail server)"
    channels: tuple[str, ...] = ("email",)
    options: tuple[Field, ...] = (
        Field("smtp_host", "The server that takes outgoing mail"),
        Field("smtp_port", "Its port: 587 with STARTTLS, 465 with TLS", is_required=False),
        Field("smtp_user", "The user that signs in there", is_required=False),
        Field("smtp_encryption", "`no` on a trusted network only", is_required=False),
        *OPTIONS,
    )
    secrets: tuple[Field, ...] = (
        PASSWORD,
        Field("smtp_password", "The password of smtp_user", is_required=False),
    )
    inbound_kinds: tuple[str, ...] = MAIL_KINDS
    redelivery = "The mail server keeps a mail in its queue until the call is answered with 2xx."
    max_body_bytes = 40 * 1024 * 1024

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: the sender checks no URL."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check user and password. Raises InvalidSignatureError."""
        verify_basic(call, account)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of the mail. Raises UnreadableCallError."""
        return list(mail_items(read_mail(call.body), account, call.body))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return one mail."""
        mail = compose(message, person, account)
        if isinstance(mail, Unsendable):
            return mail
        return [with_files(mail.attachments, MAX_FILE_BYTES, partial(_request, mail, message.now))]

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what a reply to the content means; the header `message-id` of the answer is that of the request."""
        if 200 <= answer.status < 300:
            return Sent(answer.headers.get("message-id"))
        if 400 <= answer.status < 500:
            return Retry(f"the server asks to try later, code {answer.status}")
        if answer.status in SIGN_IN_CODES:
            return Retry("the server does not accept the credentials")
        return Rejected("the server rejected the mail", _code(answer))

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call of a mail server that delivers this mail."""
        headers = {"content-type": "message/rfc822", **basic_header(account)}
        return Call(method="POST", url="", headers=headers, query={}, body=body)


def _request(mail: OutgoingMail, now: int, files: Sequence[File]) -> MailRequest:
    return MailRequest(
        sender=mail.sender,
        recipients=(mail.recipient,),
        content=to_mime(mail, now, files),
        message_id=mail.message_id,
    )


def _code(answer: Answer) -> str:
    """Return the enhanced status (RFC 3463) that begins the text of a reply, else the reply's code."""
    first = answer.body.decode("ascii", "replace").split(" ", 1)[0]
    is_enhanced = len(first) < 12 and first.replace(".", "").isdigit() and first.count(".") == 2
    return first if is_enhanced else str(answer.status)


ADAPTER = EmailMime()
