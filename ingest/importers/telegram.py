"""Telegram's export of one chat or of all: `result.json` (https://core.telegram.org/import-export)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Ambiguity, Damage, ImportOptions, Item
from ingest.importers.json_files import read_document
from ingest.importers.transcript import Person, Roles, Transcript, attachments

_FILES = ("photo", "file", "thumbnail")
_KEPT = (
    "media_type", "mime_type", "forwarded_from", "via_bot", "sticker_emoji", "duration_seconds", "poll",
    "location_information", "contact_information", "reactions", "edited_unixtime", "text_entities",
)  # fmt: skip


class TelegramImporter:
    """Imports Telegram's JSON exports."""

    name = "telegram"
    description = "Import a Telegram export (JSON)."
    file_help = "result.json"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield every message of every chat; service messages are internal."""
        document = read_document(path)
        if isinstance(document, Damage):
            yield document
            return
        roles = Roles(options)
        chats = _chats(document)
        if not chats:
            yield Damage("whole file", "neither a chat nor a list of chats")
        for number, chat in enumerate(chats, 1):
            yield from _chat(chat, f"chat {number}", path, roles, options)
        yield from roles.ambiguities()


def _chats(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        return []
    if isinstance(document.get("messages"), list):
        return [document]
    found: list[dict[str, Any]] = []
    for name in ("chats", "left_chats"):
        listed = document.get(name)
        chats = listed.get("list") if isinstance(listed, dict) else None
        found += [each for each in chats or () if isinstance(each, dict)]
    return found


def _chat(
    chat: Mapping[str, Any], place: str, path: Path, roles: Roles, options: ImportOptions
) -> Iterator[Item]:
    messages = chat.get("messages")
    if not isinstance(messages, list):
        yield Damage(place, "a chat without messages")
        return
    name = chat.get("name")
    key = str(chat.get("id") or name or path.stem)
    payload = {"subject": name[:512]} if isinstance(name, str) and name else {}
    transcript = Transcript(
        "telegram", key, "telegram", roles, options.conversation_id or "", payload
    )
    has_asked = False
    for number, message in enumerate(messages, 1):
        here = f"{place}, message {number}"
        if not isinstance(message, dict):
            yield Damage(here, "not a message")
            continue
        if "date_unixtime" not in message and options.zone is None and not has_asked:
            has_asked = True
            yield Ambiguity(times.MISSING_ZONE, "they are in UTC", "--zone")
        try:
            yield from _events(transcript, message, here, options)
        except times.TimeFormatError as error:
            yield Damage(here, str(error))


def _events(
    chat: Transcript, message: Mapping[str, Any], place: str, options: ImportOptions
) -> Iterator[Item]:
    written = message.get("date_unixtime") or message.get("date")
    at = times.read_time(written, options.zone)
    text = plain_text(message.get("text"))
    person = _sender(message, chat.key)
    key = str(message["id"]) if "id" in message else chat.content_key(str(written), person.id, text)
    if message.get("type") == "service":
        action = {"action": message.get("action")}
        yield from chat.event(
            "custom.system_notice", key, at, place, person,
            text=text, payload=action, visibility="internal",
        )  # fmt: skip
        return
    files = [{"name": message[name]} for name in _FILES if isinstance(message.get(name), str)]
    payload = {name: message[name] for name in _KEPT if message.get(name)} | attachments(files)
    replied = message.get("reply_to_message_id")
    yield from chat.message(
        key, person, text, at, place,
        in_reply_to=None if replied is None else chat.message_id(str(replied)),
        payload=payload or None,
    )  # fmt: skip


def _sender(message: Mapping[str, Any], chat: str) -> Person:
    """Return who wrote; a deleted account has no name, and a channel writes under its own."""
    name = message.get("from") or message.get("actor")
    number = message.get("from_id") or message.get("actor_id") or name or f"unknown-{chat}"
    return Person(str(number), str(name) if name else None)


def plain_text(text: Any) -> str:
    """Return the text of a message, which may be a list of parts with a format."""
    if isinstance(text, list):
        return "".join(plain_text(each) for each in text)
    if isinstance(text, dict):
        return plain_text(text.get("text"))
    return text if isinstance(text, str) else ""
