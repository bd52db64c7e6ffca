"""Chatwoot's messages: JSON as its API returns them, or a CSV of the table `messages`.

https://developers.chatwoot.com: `message_type` is 0 incoming, 1 outgoing, 2 activity, 3 template; `private` is a note.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Damage, ImportOptions, Item
from ingest.importers.json_files import read_document
from ingest.importers.tables import read_rows
from ingest.importers.transcript import Person, Roles, Transcript, attachments

TYPES = {"0": "incoming", "1": "outgoing", "2": "activity", "3": "template"}
SENDERS = {"contact": "customer", "user": "agent", "agent_bot": "bot", "agentbot": "bot"}


class ChatwootImporter:
    """Imports Chatwoot's messages."""

    name = "chatwoot"
    description = "Import Chatwoot messages (JSON of its API, or CSV of the table)."
    file_help = "messages, .json or .csv"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages of each conversation, in order of time."""
        roles = Roles(options)
        talks: dict[str, Transcript] = {}
        found: list[tuple[Any, int, str, Mapping[str, Any]]] = []
        for number, (place, row) in enumerate(_rows(path, options)):
            if isinstance(row, Damage):
                yield row
                continue
            try:
                at = times.read_time(row.get("created_at"), options.zone)
            except times.TimeFormatError as error:
                yield Damage(place, str(error))
                continue
            found.append((at, number, place, row))
        for at, _, place, row in sorted(found, key=lambda each: each[:2]):
            key = str(row.get("conversation_id") or options.conversation_id or path.stem)
            talk = talks.setdefault(key, Transcript("chatwoot", key, "chatwoot", roles))
            yield from _message(talk, row, at, place)
        yield from roles.ambiguities()


def _rows(path: Path, options: ImportOptions) -> Iterator[tuple[str, Mapping[str, Any] | Damage]]:
    if path.suffix == ".csv":
        yield from read_rows(path, encoding=options.encoding)
        return
    document = read_document(path)
    if isinstance(document, Damage):
        yield document.place, document
        return
    for number, row in enumerate(_messages(document), 1):
        place = f"message {number}"
        is_row = isinstance(row, dict)
        yield place, row if is_row else Damage(place, "not a message")


def _messages(document: Any) -> list[Any]:
    """Return the messages of a list, a page of the API, or conversations with messages inside."""
    if isinstance(document, dict):
        inside = document.get("payload") or document.get("data") or document.get("messages")
        return _messages(inside) if inside is not None else [document]
    if not isinstance(document, list):
        return [document]
    found: list[Any] = []
    for each in document:
        nested = each.get("messages") if isinstance(each, dict) else None
        if isinstance(nested, list):
            found += [
                {"conversation_id": each.get("id"), **one} if isinstance(one, dict) else one
                for one in nested
            ]
        else:
            found.append(each)
    return found


def _message(talk: Transcript, row: Mapping[str, Any], at: Any, place: str) -> Iterator[Item]:
    kind = TYPES.get(str(row.get("message_type")), str(row.get("message_type") or "incoming"))
    text = row.get("content")
    text = text if isinstance(text, str) else ""
    key = str(row["id"]) if row.get("id") else talk.content_key(str(at), kind, text)
    if kind == "activity":
        yield from talk.event(
            "custom.system_notice", key, at, place, text=text, visibility="internal"
        )
        return
    is_private = str(row.get("private")).lower() in {"true", "t", "1"}
    payload = attachments(_files(row))
    yield from talk.message(
        key, _sender(row, kind), text, at, place,
        visibility="internal" if is_private else None, payload=payload or None,
    )  # fmt: skip


def _sender(row: Mapping[str, Any], kind: str) -> Person:
    sender = row.get("sender")
    fields = sender if isinstance(sender, dict) else {}
    stated = str(row.get("sender_type") or fields.get("type") or "").lower()
    default = "customer" if kind == "incoming" else "bot" if kind == "template" else "agent"
    role: Any = SENDERS.get(stated, default)
    number = row.get("sender_id") or fields.get("id") or "unknown"
    name = fields.get("name")
    return Person(f"{role}-{number}", name if isinstance(name, str) else None, role)


def _files(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = row.get("attachments")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and isinstance(each.get("data_url"), str):
            yield {"url": each["data_url"]}
