"""Mail files: an mbox (RFC 4155), an .eml, or a folder of them. A thread is a conversation.

Mails are read in order of their date. Only what is needed for the order stays in memory, so a mailbox may be larger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingest.channels.base import UnreadableCallError
from ingest.channels.mail.automatic import automatic_reason
from ingest.channels.mail.items import mail_message
from ingest.channels.mail.mail import Mail
from ingest.channels.mail.mime import read_mail
from ingest.contract import from_micros
from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Ambiguity, Damage, ImportOptions, Item
from ingest.importers.transcript import Person, Roles, Transcript, attachments

MAX_MAIL = 40 * 1024 * 1024
"""Bytes of one mail, as the channel takes it."""

SEPARATOR = b"From "
SUFFIXES = {".eml", ".mbox", ".mbx"}


@dataclass(frozen=True)
class _Place:
    """Where a mail is."""

    path: Path
    start: int
    end: int
    text: str

    def mail(self) -> Mail:
        """Return the mail. Raises UnreadableCallError, OSError."""
        if self.end - self.start > MAX_MAIL:
            raise UnreadableCallError(f"longer than {MAX_MAIL:,} bytes")
        with self.path.open("rb") as file:
            file.seek(self.start)
            return read_mail(_content(file.read(self.end - self.start)))


class MailImporter:
    """Imports mailboxes."""

    name = "mbox"
    description = "Import mail: an mbox, .eml files, or a folder of them."
    file_help = ".mbox, .eml or a folder"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield every mail as a message of its thread."""
        found: list[tuple[datetime | None, _Place]] = []
        for place in _places(path):
            try:
                found.append((_sent_at(place.mail()), place))
            except UnreadableCallError as error:
                yield Damage(place.text, str(error))
        if any(at is None for at, _ in found):
            yield Ambiguity(
                "some mails have no date", "they get the time of the import", "a header Date"
            )
        last = datetime.max.replace(tzinfo=UTC)
        found.sort(key=lambda each: each[0] or last)
        mailbox = _Mailbox(Roles(options))
        for at, place in found:
            yield from mailbox.message(place.mail(), at, place.text)
        yield from mailbox.roles.ambiguities()


def _places(path: Path) -> Iterator[_Place]:
    """Yield where the mails of a file or a folder are. Raises OSError."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.suffix in SUFFIXES:
                for each in _places(file):
                    name = file.relative_to(path).as_posix()
                    yield _Place(each.path, each.start, each.end, f"{name}, {each.text}")
        return
    starts = [0]
    with path.open("rb") as content:
        is_mbox = content.readline(MAX_MAIL).startswith(SEPARATOR)
        is_after_empty = False
        at = content.tell()
        while is_mbox and (line := content.readline(MAX_MAIL)):
            if is_after_empty and line.startswith(SEPARATOR):
                starts.append(at)
            is_after_empty = not line.strip()
            at += len(line)
    size = path.stat().st_size
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], size], strict=True), 1):
        yield _Place(path, start, end, f"mail {number}")


def _content(raw: bytes) -> bytes:
    """Return a mail without the separator line of an mbox, and without its escapes."""
    if not raw.startswith(SEPARATOR):
        return raw
    return raw.partition(b"\n")[2].replace(b"\n>From ", b"\nFrom ")


def _sent_at(mail: Mail) -> datetime | None:
    """Return the time of a mail; None if it has none that can be right."""
    micros = mail.sent_at()
    try:
        return None if micros is None else times.checked(from_micros(micros))
    except (times.TimeFormatError, OverflowError):
        return None


class _Mailbox:
    """The threads of a mailbox."""

    def __init__(self, roles: Roles) -> None:
        self.roles = roles
        self._threads: dict[str, Transcript] = {}
        self._seen: set[str] = set()

    def message(self, mail: Mail, at: datetime | None, place: str) -> Iterator[Item]:
        """Yield the message of a mail, in the thread of the mails that it refers to."""
        own = mail.message_id()
        author = next(iter(mail.mailboxes("from")), None)
        if author is None:
            yield Damage(place, "the mail names no sender")
            return
        key = own
        if own in self._seen:  # another copy, or an id that is used twice
            key = f"{own}-{mail.digest[:16]}"
        self._seen.add(own)
        item = mail_message(mail, author, automatic_reason(mail, ""))
        files = [msgspec.to_builtins(each) for each in item.attachments]
        person = Person(
            author.address.lower(), author.name, "system" if item.author == "system" else None
        )
        thread = self._thread(mail, own)
        replied = item.in_reply_to
        yield from thread.message(
            key, person, item.text or "", at, place,
            in_reply_to=None if replied is None else thread.message_id(replied),
            payload={**item.payload, **attachments(files)},
        )  # fmt: skip

    def _thread(self, mail: Mail, own: str) -> Transcript:
        """Return the thread of a known reference, or else a thread of the oldest one."""
        references = (*mail.message_ids("references"), *mail.message_ids("in-reply-to"))
        known = next((self._threads[each] for each in references if each in self._threads), None)
        subject = mail.decoded("subject")
        root = references[0] if references else own
        thread = known or Transcript(
            "email", root, "email", self.roles, payload={"subject": subject[:512]} if subject else {}
        )  # fmt: skip
        for each in (*references, own):
            self._threads.setdefault(each, thread)
        return thread
