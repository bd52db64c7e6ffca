"""The content of a Telegram message: its words, its files, and what has neither.

https://core.telegram.org/bots/api#message
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.channels.fields import Fields, count_of, float_of, geo_url, object_of, text_of
from ingest.channels.telegram.rich_text import rich_text
from ingest.events.payloads import Attachment

_MEDIA_TYPES = {
    "photo": "image/jpeg",
    "video": "video/mp4",
    "video_note": "video/mp4",
    "animation": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg",
    "document": None,
    "sticker": "image/webp",
    "live_photo": "video/mp4",
}
"""Fields of a message that hold a file, and its media type where Telegram does not name one."""

_REPEATED = {"document": "animation", "photo": "live_photo"}
"""Fields that repeat another one, for bots that do not know the newer one."""

_KEPT = (
    "location", "venue", "contact", "dice", "poll", "checklist", "media_group_id",
    "forward_origin", "forward_date", "quote", "effect_id",
)  # fmt: skip


def words(tree: Fields) -> str | None:
    """Return the text or the caption exactly, else the words of a rich message, a poll or a list."""
    for name in ("text", "caption"):
        if isinstance(text := tree.get(name), str):
            return text
    return rich_text(tree.get("rich_message")) or _short_words(tree)


def attachments(tree: Fields) -> Iterator[Attachment]:
    """Yield files, a place and a contact card."""
    for kind, found in media(tree):
        yield _file(kind, found)
    place = object_of(tree, "venue") or tree
    location = object_of(place, "location")
    if url := geo_url(float_of(location, "latitude"), float_of(location, "longitude")):
        yield Attachment(url=url, name=text_of(place, "title"))
    if contact := object_of(tree, "contact"):
        names = (text_of(contact, name) for name in ("first_name", "last_name"))
        yield Attachment(content_type="text/vcard", name=" ".join(filter(None, names)) or None)


def details(tree: Fields) -> dict[str, Any]:
    """Return what a payload keeps: the objects of files with their `file_id`, and other content."""
    files = [{"kind": kind, **found} for kind, found in media(tree)]
    kept = {name: tree[name] for name in _KEPT if name in tree}
    return {**kept, "media": files} if files else kept


def media(tree: Fields) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each file of a message with its kind; of the sizes of a photo the largest."""
    for kind in _MEDIA_TYPES:
        found = tree.get(kind)
        if isinstance(found, list):
            found = max((each for each in found if isinstance(each, dict)), key=_area, default=None)
        if isinstance(found, dict) and _REPEATED.get(kind) not in tree:
            yield kind, found


def _short_words(tree: Fields) -> str | None:
    """Return the question and options of a poll, the title and tasks of a list, or the emoji of a dice."""
    poll, checklist = object_of(tree, "poll"), object_of(tree, "checklist")
    lines = [text_of(poll, "question"), *_texts(poll.get("options"))]
    lines += [text_of(checklist, "title"), *_texts(checklist.get("tasks"))]
    return "\n".join(filter(None, lines)) or text_of(object_of(tree, "dice"), "emoji")


def _texts(entries: object) -> Iterator[str | None]:
    for each in entries if isinstance(entries, list) else ():
        yield text_of(each, "text") if isinstance(each, dict) else None


def _area(photo: Fields) -> int:
    return (count_of(photo, "width") or 0) * (count_of(photo, "height") or 0)


def _file(kind: str, found: Fields) -> Attachment:
    """Return a file. It has no URL: `getFile` gives one for an hour, to the holder of the bot token."""
    return Attachment(
        content_type=text_of(found, "mime_type") or _media_type(kind, found),
        size=count_of(found, "file_size"),
        name=text_of(found, "file_name"),
    )


def _media_type(kind: str, found: Fields) -> str | None:
    if kind == "sticker" and found.get("is_animated") is True:
        return "application/x-tgsticker"
    if kind == "sticker" and found.get("is_video") is True:
        return "video/webm"
    return _MEDIA_TYPES[kind]
