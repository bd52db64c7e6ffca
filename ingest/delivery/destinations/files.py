"""Attachments of messages as files: fetched where they are stored, and handed to the adapter."""

import mimetypes
import re
from collections.abc import Sequence
from http import HTTPStatus
from posixpath import basename
from urllib.parse import unquote, urlsplit

from ingest.channels.base import File
from ingest.delivery.destinations.base import Rejected, Retry
from ingest.egress.client import FORBIDDEN, TOO_LARGE, EgressResult
from ingest.events.payloads import Attachment

CODE = "attachment"
"""Code of a message that failed because an attachment cannot be fetched."""

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
"""A media type without parameters (RFC 6838)."""

BINARY = "application/octet-stream"
_RETRIED = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def files_of(
    attachments: Sequence[Attachment], results: Sequence[EgressResult]
) -> list[File] | Retry | Rejected:
    """Return the files, or why one of them is missing: the last result says it."""
    files = []
    for attachment, result in zip(attachments, results, strict=False):
        failure = _failure(result)
        if failure is not None:
            return failure
        files.append(_file(attachment, result))
    return files


def _failure(result: EgressResult) -> Retry | Rejected | None:
    """Return why a file was not fetched. The reason never names its URL."""
    if result.error == TOO_LARGE:
        return Rejected("the attachments are larger than 25 MiB", CODE)
    if result.error is not None and result.error.startswith(FORBIDDEN):
        return Rejected(f"an attachment may not be fetched, {result.error}", CODE)
    if result.status is None:
        return Retry(f"an attachment was not fetched: {result.error}")
    if result.is_success:
        is_encoded = result.headers.get("content-encoding", "identity") != "identity"
        return Rejected("an attachment is compressed by its server", CODE) if is_encoded else None
    reason = f"an attachment was not fetched: status {result.status}"
    is_temporary = result.status >= HTTPStatus.INTERNAL_SERVER_ERROR or result.status in _RETRIED
    return Retry(reason, result.retry_after) if is_temporary else Rejected(reason, CODE)


def _file(attachment: Attachment, result: EgressResult) -> File:
    named = unquote(basename(urlsplit(attachment.url or "").path), errors="replace")
    name = attachment.name or named or "file"
    return File(result.body, _content_type(attachment, result, name), name)


def _content_type(attachment: Attachment, result: EgressResult, name: str) -> str:
    """Return the type that the message gives a file, else its server, else its name; never anything but a type."""
    guessed = mimetypes.guess_type(name)[0]
    for each in (attachment.content_type, result.headers.get("content-type"), guessed):
        found = (each or "").partition(";")[0].strip().lower()
        if found != BINARY and _TYPE.fullmatch(found):
            return found
    return BINARY
