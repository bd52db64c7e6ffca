"""Calls of the Bot API, and files in them: by a URL that Telegram fetches, or uploaded as a part of the call.

https://core.telegram.org/bots/api#sending-files: by URL images have 5 MB, other files 20 MB, and `sendDocument` takes
PDF and ZIP only; uploaded images have 10 MB, other files 50 MB.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ingest.channels.base import Field, File, FileRequest, HttpRequest
from ingest.channels.multipart import multipart
from ingest.events.payloads import Attachment

MEDIA = Field(
    "media",
    "`upload` fetches files and uploads them to Telegram; else Telegram fetches their URLs",
    is_required=False,
)
MAX_PHOTO_BYTES = 10 * 1024 * 1024
"""Maximum size of an uploaded image; a larger one goes out as a document."""

_PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp")


def call(url: str, fields: Mapping[str, Any]) -> HttpRequest:
    """Return a call with its fields as JSON."""
    headers = (("content-type", "application/json"),)
    return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(fields))


def by_url(base: str, fields: Mapping[str, Any], attachment: Attachment) -> HttpRequest:
    """Return the call that names a file by its URL."""
    method, name = _method(is_photo=attachment.content_type in _PHOTO_TYPES)
    return call(f"{base}/{method}", {**fields, name: attachment.url})


def upload(base: str, fields: Mapping[str, Any], attachment: Attachment) -> FileRequest:
    """Return the call that has a file in it."""
    return FileRequest(attachments=(attachment,), build=partial(_form, base, fields))


def _form(base: str, fields: Mapping[str, Any], files: Sequence[File]) -> HttpRequest:
    """Return the call as a form: fields with parts of their own are JSON in it."""
    (file,) = files
    is_small = len(file.content) <= MAX_PHOTO_BYTES
    method, name = _method(is_photo=is_small and file.content_type in _PHOTO_TYPES)
    texts = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in fields.items()
    }
    content_type, body = multipart(texts, [(name, file)])
    return HttpRequest(url=f"{base}/{method}", headers=(content_type,), body=body)


def _method(*, is_photo: bool) -> tuple[str, str]:
    """Return the method that sends a file, and the name of its field."""
    return ("sendPhoto", "photo") if is_photo else ("sendDocument", "document")
