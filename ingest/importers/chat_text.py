"""Text exports of WhatsApp and Signal: one line a message, further lines without a date belong to it.

WhatsApp writes dates as the phone shows them, so their order is decided over the whole file, and the zone
is the phone's. A line that has a date and no sender is a notice of the app.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingest.events import foreign_times as times
from ingest.importers.base import (
    NO_OPTIONS,
    Ambiguity,
    Damage,
    DateOrder,
    ImportOptions,
    Item,
)
from ingest.importers.chat_dates import OrderFinder, Stamp
from ingest.importers.lines import text_lines
from ingest.importers.transcript import Person, Roles, Transcript, attachments

_MARKS = "\u200e\u200f\u202a\u202c\ufeff"
"""Marks of writing direction that phones put before lines and names."""

_HEAD = re.compile(
    rf"[{_MARKS}]*\[?(\d{{1,4}})[./-](\d{{1,2}})[./-](\d{{1,4}}),?\s+"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s*([aApP])\.?\s?[mM]\.?)?"
    rf"(?:\]|\s+[-–])[ {_MARKS}]*"
)
_SENDER = re.compile(r"([^:]{1,100}):(?: |$|(?=\S))")
_ATTACHED = re.compile(rf"[{_MARKS}]*(?:<attached: (.+)>|(\S.*?\.\w{{2,5}}) \(file attached\))")
_OMITTED = re.compile(
    rf"[{_MARKS}]*(?:<[^<>]*(?:omitted|ausgeschlossen|omitidos?|omis|omessi?|weggelaten)>"
    r"|(?:image|video|audio|sticker|GIF|document|Contact card) omitted)\s*$"
)
_QUOTES = frozenset('"“”„«')

MAX_MESSAGE = 1024 * 1024
"""Characters of one message. The log takes a quarter of it."""


@dataclass
class _Record:
    """A message or a notice: its place, its date, and its lines after the date."""

    place: str
    stamp: Stamp
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def parts(self) -> tuple[str | None, str]:
        """Return the sender, or None for a notice, and the text."""
        text = "\n".join(self.lines)
        found = _SENDER.match(self.lines[0])
        if found is None or _QUOTES & set(found[1]):
            return None, text
        return found[1].strip(_MARKS + " "), text[found.end() :]


@dataclass
class ChatTextImporter:
    """Imports text exports of one app."""

    name: str
    description: str
    file_help: str = "chats, .txt; one conversation a file"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages and notices of a chat."""
        order = options.dates
        if order is None:
            finder = OrderFinder(_stamps(path, options))
            order = finder.certain
            if finder.question is not None:
                yield finder.question
        if order is None:
            yield Damage("whole file", finder.problem)
            return
        if options.zone is None:
            yield Ambiguity(times.MISSING_ZONE, "they are in UTC", "--zone")
        roles = Roles(options)
        key = options.conversation_id or path.stem
        chat = Transcript(self.name, key, self.name, roles, options.conversation_id or "")
        for record in _records(path, options):
            if isinstance(record, Damage):
                yield record
            else:
                yield from _events(chat, record, order, options)
        yield from roles.ambiguities()


def _events(
    chat: Transcript, record: _Record, order: DateOrder, options: ImportOptions
) -> Iterator[Item]:
    try:
        at: datetime = times.placed(record.stamp.read(order), options.zone)
    except ValueError as error:
        yield Damage(record.place, f"no date in the order {order}: {error}")
        return
    sender, text = record.parts()
    key = chat.content_key(repr(record.stamp), sender or "", text)
    if sender is None:
        yield from chat.event(
            "custom.system_notice", key, at, record.place, text=text, visibility="internal"
        )
        return
    payload = _media(text)
    person = Person(sender, sender)
    yield from chat.message(key, person, text, at, record.place, payload=payload or None)


def _media(text: str) -> dict[str, object]:
    first = text.split("\n", 1)[0]
    if _OMITTED.match(first):
        return {"is_media_omitted": True}
    found = _ATTACHED.match(first)
    return attachments([{"name": found[1] or found[2]}] if found else [])


def _stamps(path: Path, options: ImportOptions) -> Iterator[tuple[str, Stamp]]:
    for place, line in text_lines(path, options.encoding):
        if not isinstance(line, Damage) and (head := _HEAD.match(line)):
            yield place, _stamp(head)


def _stamp(head: re.Match[str]) -> Stamp:
    day, month, year, hour, minute, second, half = head.groups()
    return Stamp(
        (day, month, year),
        int(hour),
        int(minute),
        int(second or 0),
        half.lower() if half else None,
    )


def _records(path: Path, options: ImportOptions) -> Iterator[_Record | Damage]:
    record: _Record | None = None
    for place, line in text_lines(path, options.encoding):
        if isinstance(line, Damage):
            yield line
        elif head := _HEAD.match(line):
            if record is not None:
                yield record
            record = _Record(place, _stamp(head), [line[head.end() :]])
        elif record is None:
            yield Damage(place, "no date, and no message before it")
        elif record.size + len(line) > MAX_MESSAGE:
            yield Damage(place, f"the message has more than {MAX_MESSAGE:,} characters")
        else:
            record.lines.append(line)
            record.size += len(line) + 1
    if record is not None:
        yield record
