"""Message files of Instagram's and Messenger's "download your information" (JSON): `message_1.json`.

Meta writes the UTF-8 bytes of every text as if each were a character of Latin-1, and newest messages first.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Damage, ImportOptions, Item
from ingest.importers.json_files import read_document
from ingest.importers.transcript import Person, Roles, Transcript, attachments

_FILES = ("photos", "videos", "audio_files", "files", "gifs")
_KEPT = ("reactions", "share", "call_duration", "is_unsent", "type")


class InstagramImporter:
    """Imports message files of Instagram and Messenger."""

    name = "instagram"
    description = "Import Instagram or Messenger messages (JSON of “download your information”)."
    file_help = "message_1.json …"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages of a thread, the oldest first."""
        document = read_document(path)
        if isinstance(document, Damage):
            yield document
            return
        messages = document.get("messages") if isinstance(document, dict) else None
        if not isinstance(messages, list):
            yield Damage("whole file", "no list of messages")
            return
        roles = Roles(options)
        thread = _thread(document, path, roles, options)
        readable: list[tuple[int, int, dict[str, Any]]] = []
        for number, message in enumerate(messages):
            at = message.get("timestamp_ms") if isinstance(message, dict) else None
            if isinstance(at, int) and not isinstance(at, bool):
                readable.append((at, -number, message))
            else:
                yield Damage(f"message {number + 1}", "no timestamp_ms")
        for _, number, message in sorted(readable, key=lambda each: each[:2]):
            yield from _message(thread, message, f"message {1 - number}")
        yield from roles.ambiguities()


def _thread(
    document: Mapping[str, Any], path: Path, roles: Roles, options: ImportOptions
) -> Transcript:
    title = repaired(document.get("title") or "")
    key = str(document.get("thread_path") or path.stem)
    payload = {"subject": title[:512]} if title else {}
    given = options.conversation_id or ""
    return Transcript("instagram", key, "instagram", roles, given, payload)


def _message(thread: Transcript, message: Mapping[str, Any], place: str) -> Iterator[Item]:
    try:
        at = times.from_unix(message["timestamp_ms"] / 1000)
    except times.TimeFormatError as error:
        yield Damage(place, str(error))
        return
    name = repaired(message.get("sender_name") or "") or "unknown"
    text = repaired(message.get("content") or "")
    files = [
        {"url": file["uri"]}
        for kind in _FILES
        for file in message.get(kind) or ()
        if isinstance(file, dict) and isinstance(file.get("uri"), str)
    ]
    kept = {kind: repaired(message[kind]) for kind in _KEPT if message.get(kind)}
    key = thread.content_key(str(message["timestamp_ms"]), name, text)
    payload = kept | attachments(files)
    yield from thread.message(key, Person(name, name), text, at, place, payload=payload or None)


def repaired(value: Any) -> Any:
    """Return a value with every text as its author wrote it."""
    if isinstance(value, dict):
        return {repaired(name): repaired(each) for name, each in value.items()}
    if isinstance(value, list):
        return [repaired(each) for each in value]
    if not isinstance(value, str):
        return value
    try:
        return value.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return value  # an export that is right as it is
