"""Files of an outgoing mail: attached if the account says so, else their URLs are listed in the text."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from functools import partial

from ingest.channels.account_values import uploads_files
from ingest.channels.base import (
    Account,
    Field,
    File,
    FileRequest,
    OutboundMessage,
    OutboundRequest,
    Unsendable,
)
from ingest.channels.mail.mail import storable
from ingest.events.payloads import Attachment

MEDIA = Field(
    "media",
    "`upload` fetches files and attaches them; else their URLs are in the text",
    is_required=False,
)
TOO_LARGE = "5.3.4"
"""The enhanced status of a mail that is too large (RFC 3463)."""

_COMPOSITE = ("message", "multipart")
"""Types with parts of their own: a mail program would open them as a mail."""


def attached_of(message: OutboundMessage, account: Account) -> tuple[Attachment, ...]:
    """Return the attachments whose files are fetched and become part of the mail."""
    if not uploads_files(account):
        return ()
    return tuple(
        each
        for each in message.attachments
        if each.url is not None and each.url.startswith(("https://", "http://"))
    )


def with_files(
    attachments: Sequence[Attachment],
    max_bytes: int,
    write: Callable[[Sequence[File]], OutboundRequest],
) -> OutboundRequest:
    """Return the request that `write` makes of the files of `attachments`, at most `max_bytes` together."""
    if not attachments:
        return write(())
    return FileRequest(attachments=attachments, build=partial(_write, max_bytes, write))


def _write(
    max_bytes: int, write: Callable[[Sequence[File]], OutboundRequest], files: Sequence[File]
) -> OutboundRequest | Unsendable:
    if sum(len(each.content) for each in files) > max_bytes:
        most = max_bytes // (1024 * 1024)
        return Unsendable(f"the files of a mail have at most {most} MiB together", TOO_LARGE)
    return write(files)


def attach(mail: EmailMessage, file: File) -> None:
    """Add a file to a mail."""
    family, _, kind = file_type(file).partition("/")
    mail.add_attachment(file.content, family, kind, filename=file_name(file))


def file_type(file: File) -> str:
    """Return the type under which a file is attached."""
    is_composite = file.content_type.partition("/")[0] in _COMPOSITE
    return "application/octet-stream" if is_composite else file.content_type


def file_name(file: File) -> str:
    """Return a name without what a header or a folder could take for something else."""
    shown = (
        each if each.isprintable() and each not in "/\\" else "_" for each in storable(file.name)
    )
    return "".join(shown)[:200] or "file"


def base64_text(file: File) -> str:
    """Return the content as providers with JSON take it."""
    return b64encode(file.content).decode()
