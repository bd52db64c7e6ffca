"""Meta's rules for media of WhatsApp: what an upload has, and how a message names it.

Source: «Media» (`POST /PHONE_NUMBER_ID/media`: `file`, `type` and `messaging_product`) and its «Supported media types».
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.channels.stand_ins.forms import read_form
from tests.channels.stand_ins.meta_error import MetaError, demand

MEDIA = ("image", "audio", "video", "document", "sticker")
_OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES = {
    "image/jpeg": "image", "image/png": "image", "image/webp": "sticker",
    "audio/aac": "audio", "audio/amr": "audio", "audio/mpeg": "audio", "audio/mp4": "audio",
    "audio/ogg": "audio", "video/mp4": "video", "video/3gpp": "video",
    "text/plain": "document", "application/pdf": "document", "application/msword": "document",
    "application/vnd.ms-excel": "document", "application/vnd.ms-powerpoint": "document",
    f"{_OFFICE}.wordprocessingml.document": "document",
    f"{_OFFICE}.spreadsheetml.sheet": "document",
    f"{_OFFICE}.presentationml.presentation": "document",
}  # fmt: skip
MIB = 1024 * 1024
SIZES = {
    "image": 5 * MIB, "audio": 16 * MIB, "video": 16 * MIB, "document": 100 * MIB,
    "sticker": 500 * 1024,
}  # fmt: skip


class Stored(NamedTuple):
    """A file that was uploaded."""

    content_type: str
    name: str
    content: bytes


def read_upload(content_type: str, raw: bytes) -> Stored:
    """Return the file of a valid upload. Raises MetaError."""
    try:
        parts = {each.name: each for each in read_form(content_type, raw)}
    except ValueError:
        raise MetaError(100) from None
    demand({"messaging_product", "type", "file"} <= parts.keys())
    file = parts["file"]
    demand(parts["messaging_product"].content == b"whatsapp" and file.file_name)
    demand(parts["type"].content.decode() == file.content_type and file.content_type in TYPES)
    demand(0 < len(file.content) <= SIZES[TYPES[file.content_type]], 131053)
    return Stored(file.content_type, file.file_name or "", file.content)


def check_media(kind: str, content: dict[str, Any], stored: Mapping[str, Stored]) -> None:
    """Check how a message names its media: by a link or by the id of an upload. Raises MetaError."""
    demand(("link" in content) != ("id" in content), 131008)
    demand("filename" not in content or kind == "document")
    if "link" in content:
        demand(str(content["link"]).startswith("http"), 131008)
    else:
        demand(content["id"] in stored)
        demand(TYPES[stored[content["id"]].content_type] == kind, 131053)
