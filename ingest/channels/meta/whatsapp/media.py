"""Files to WhatsApp: by a link that Meta fetches, or uploaded before the message.

Source: Meta's «Media» (`POST /PHONE_NUMBER_ID/media`; an uploaded file is kept 30 days) and «Supported media types».
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ingest.channels.account_values import api_url
from ingest.channels.base import (
    Account,
    Answer,
    Field,
    File,
    FileRequest,
    HttpRequest,
    OutboundRequest,
    Rejected,
    Retry,
    Unsendable,
    UploadRequest,
)
from ingest.channels.meta.content import link_of, media_type
from ingest.channels.meta.graph import GRAPH_FACEBOOK, graph_upload, stored_id
from ingest.events.payloads import Attachment

Content = dict[str, Any]
Send = Callable[[Content], HttpRequest]
"""Returns the request of a message with this content."""

MEDIA = Field(
    "media",
    "`upload` fetches files and uploads them to Meta; else Meta fetches their URLs",
    is_required=False,
)
MISSING_VALUE = "131008"
UPLOAD_ERROR = "131053"
MAX_BYTES = {
    "image": 5 * 1024 * 1024,
    "audio": 16 * 1024 * 1024,
    "video": 16 * 1024 * 1024,
    "sticker": 500 * 1024,
    "document": 100 * 1024 * 1024,
}
"""Maximum size of each kind of media."""

_IMAGES = ("image/jpeg", "image/png")


def number_url(account: Account) -> str:
    """Return the URL of the account's number."""
    return f"{api_url(account, GRAPH_FACEBOOK)}/{account.options.get('phone_number_id', '')}"


def by_link(attachment: Attachment) -> Content:
    """Return the content that names a file by its URL. Raises UnsendableContentError."""
    link = {"link": link_of(attachment, MISSING_VALUE)}
    return _content(media_kind(media_type(attachment)), link, attachment.name)


def to_upload(attachment: Attachment) -> Attachment:
    """Return an attachment that can be fetched. Raises UnsendableContentError."""
    link_of(attachment, MISSING_VALUE)
    return attachment


def upload(attachment: Attachment, account: Account, send: Send) -> FileRequest:
    """Return the request that fetches a file, uploads it and sends a message with its id."""
    return FileRequest(attachments=(attachment,), build=partial(_upload, account, send))


def _upload(account: Account, send: Send, files: Sequence[File]) -> OutboundRequest | Unsendable:
    (file,) = files
    kind = media_kind(file.content_type)
    if len(file.content) > MAX_BYTES[kind]:
        return Unsendable(f"the file is too large for WhatsApp: {kind}", UPLOAD_ERROR)
    fields = {"messaging_product": "whatsapp", "type": file.content_type}
    request = graph_upload(f"{number_url(account)}/media", account, fields, [("file", file)])
    return UploadRequest(request=request, then=partial(_with_id, kind, file.name, send))


def _with_id(kind: str, name: str, send: Send, answer: Answer) -> HttpRequest | Retry | Rejected:
    found = stored_id(answer)
    return send(_content(kind, {"id": found}, name)) if isinstance(found, str) else found


def _content(kind: str, media: dict[str, str], name: str | None) -> Content:
    if kind == "document" and name:
        media = {**media, "filename": name}
    return {"type": kind, kind: media}


def media_kind(content_type: str) -> str:
    """Return the kind of media that WhatsApp has for a type of file."""
    if content_type in _IMAGES:
        return "image"
    if content_type == "image/webp":
        return "sticker"
    family = content_type.partition("/")[0]
    return family if family in ("audio", "video") else "document"
