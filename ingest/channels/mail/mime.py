"""Bytes of a mail (RFC 5322, MIME) → `Mail`. Reads what real programs send, also where it breaks the rules.

The standard library's `email` parses, with its lenient policy: the strict one raises on odd headers. Depth, number
of parts and length of headers are bounded. No content of an attachment is kept: it is in the raw call.
"""

import hashlib
import re
from collections.abc import Sequence
from email import policy
from email.parser import BytesParser

from ingest.channels.base import UnreadableCallError
from ingest.channels.mail.delivery_report import Part, inner_parts, read_headers, read_report
from ingest.channels.mail.html_text import html_to_text
from ingest.channels.mail.mail import (
    Mail,
    bytes_to_text,
    decoded,
    header_value,
    storable,
)
from ingest.events.payloads import Attachment

MAX_DEPTH = 64
MAX_PARTS = 1_000
MAX_TEXT = 200_000
"""Characters of text of a mail; an event has at most 256 KiB."""

MAX_DELIMITERS = 10_000
MAX_COMPARISONS = 10_000_000
MAX_HEAD = 1_000_000
"""Bytes in which the headers of a mail end."""

HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]|\r?\n")
KNOWN_HEADER = re.compile(
    rb"(?:from|to|subject|date|message-id|mime-version|content-type|received)[ \t]*:", re.IGNORECASE
)
Body = tuple[str, bool]
"""Text, and whether it was HTML."""


def read_mail(raw: bytes, envelope_sender: str | None = None) -> Mail:
    """Return the mail. Raises UnreadableCallError if nothing in it looks like a mail, and no other error."""
    notes = ["nul_replaced"] if b"\0" in raw else []
    part = _parsed(raw, notes)
    headers = read_headers(part)
    if not any(name in ("from", "to", "subject", "date", "message-id") for name, _ in headers):
        raise UnreadableCallError("the body has none of the headers of a mail")
    return build_mail(part, headers, notes, hashlib.sha256(raw).hexdigest(), envelope_sender)


def build_mail(
    part: Part,
    headers: Sequence[tuple[str, str]],
    notes: list[str],
    digest: str,
    envelope_sender: str | None,
) -> Mail:
    """Return the mail of a parsed message."""
    reader = _Reader(notes)
    body = reader.body(part, 0)
    text = storable(body[0]) if body else None
    if text is not None and len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
        notes.append("text_cut")
    return Mail(
        headers=tuple(headers),
        text=text,
        attachments=tuple(reader.attachments),
        notes=tuple(dict.fromkeys(notes)),
        content_type=part.get_content_type(),
        report=read_report(part),
        envelope_sender=envelope_sender,
        digest=digest,
    )


def _parsed(raw: bytes, notes: list[str]) -> Part:
    """Parse the mail; one that is nested too deeply gives its headers, and its content as one text."""
    start = _repaired(raw.lstrip(b"\r\n\t \xef\xbb\xbf"), notes)
    if _is_excessive(start):
        notes.append("unreadable_structure")
        return BytesParser(policy=policy.compat32).parsebytes(start, headersonly=True)
    try:
        return BytesParser(policy=policy.compat32).parsebytes(start)
    except (RecursionError, ValueError, TypeError, LookupError, AttributeError, IndexError):
        notes.append("unreadable_structure")
        return BytesParser(policy=policy.compat32).parsebytes(start, headersonly=True)


def _is_excessive(raw: bytes) -> bool:
    """Return whether parsing would take long: the parser compares each line with each open boundary."""
    levels = len(re.findall(rb"boundary", raw, re.IGNORECASE))
    is_report = re.search(rb"delivery-status", raw, re.IGNORECASE) is not None
    blocks = len(re.findall(rb"\n\r?\n", raw)) if is_report else 0
    if raw.count(b"\n--") > MAX_DELIMITERS or blocks > MAX_DELIMITERS:
        return True
    return raw.count(b"\n") * levels > MAX_COMPARISONS


def _repaired(raw: bytes, notes: list[str]) -> bytes:
    """Leave out a damaged line between headers: the parser would take all that follows for the text."""
    head, gap, content = _divided(raw)
    lines = head.splitlines(keepends=True)
    last = max((i for i, line in enumerate(lines) if KNOWN_HEADER.match(line)), default=-1)
    good = [line for i, line in enumerate(lines) if i > last or i == 0 or HEADER_LINE.match(line)]
    if len(good) == len(lines):
        return raw
    notes.append("header_left_out")
    return b"".join(good) + gap + content


def _divided(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the headers, the empty line after them, and the content."""
    empty = re.search(rb"\r?\n\r?\n", raw[:MAX_HEAD])
    if empty is None:
        return raw[:MAX_HEAD], b"", raw[MAX_HEAD:]
    return raw[: empty.start()], raw[empty.start() : empty.end()], raw[empty.end() :]


class _Reader:
    """Walks the parts of one mail: text parts become its body, all others are listed."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.attachments: list[Attachment] = []
        self._parts = 0

    def body(self, part: Part, depth: int) -> Body | None:
        """Return the text of a part, and list what is no text."""
        self._parts += 1
        if depth >= MAX_DEPTH or self._parts > MAX_PARTS:
            self._leave_out(part)
            return None
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            join = _best if part.get_content_subtype() == "alternative" else _all
            return join([self.body(each, depth + 1) for each in inner_parts(part)])
        if part.get_content_type() not in ("text/plain", "text/html") or _is_attached(part):
            self._attach(part)
            return None
        text = self._decoded(part)
        is_html = part.get_content_subtype() == "html"
        return (html_to_text(text) if is_html else text.replace("\r\n", "\n"), is_html)

    def _leave_out(self, part: Part) -> None:
        self.notes.append("parts_left_out")
        if self._parts <= MAX_PARTS + 1:
            self._attach(part)

    def _attach(self, part: Part) -> None:
        kind = part.get_content_type()
        if kind == "application/ms-tnef":
            self.notes.append("tnef_not_read")
        if kind == "text/calendar":
            self.notes.append("calendar")
        content_id = header_value(str(part.get("content-id", ""))).strip("<> ")
        self.attachments.append(
            Attachment(
                url=f"cid:{content_id}" if content_id else None,
                content_type=kind,
                size=_size(part),
                name=_name(part),
            )
        )

    def _decoded(self, part: Part) -> str:
        content = part.get_payload(decode=True)
        raw = content if isinstance(content, bytes) else b""
        text, is_guessed = bytes_to_text(raw, _charset(part))
        if is_guessed:
            self.notes.append("charset_guessed")
        return text


def _charset(part: Part) -> str | None:
    try:
        found = part.get_content_charset()
    except (LookupError, ValueError, TypeError):
        return None
    return None if found is None else str(found)


def _best(found: Sequence[Body | None]) -> Body | None:
    """Return the first plain text of alternatives, else the first with text."""
    texts = [each for each in found if each and each[0].strip()]
    return next((each for each in texts if not each[1]), texts[0] if texts else None)


def _all(found: Sequence[Body | None]) -> Body | None:
    """Join the texts of the parts of a mail that are shown one after the other."""
    texts = [each for each in found if each and each[0].strip()]
    if len(texts) < 2:
        return texts[0] if texts else None
    return "\n".join(text.rstrip("\n") for text, _ in texts), any(html for _, html in texts)


def _is_attached(part: Part) -> bool:
    if part.get_content_disposition() == "attachment":
        return True
    return _name(part) is not None


def _name(part: Part) -> str | None:
    """Return a file's name, decoded (RFC 2231, RFC 2047) and without folders, or None."""
    for header in ("content-disposition", "content-type"):
        value = next((each for name, each in part.raw_items() if name.lower() == header), None)
        if value is not None:
            part.replace_header(header, header_value(str(value)))
    try:
        found = part.get_filename()
    except (LookupError, ValueError, TypeError, UnicodeError, AttributeError):
        found = None
    if found is None and part.get_content_maintype() == "message":
        return _subject(part)
    name = decoded(storable(found or "")).replace("\\", "/").rsplit("/", 1)[-1].strip()
    return name[:255] or None


def _subject(part: Part) -> str | None:
    """Return a name for an attached mail: its subject."""
    inner = inner_parts(part)
    headers = read_headers(inner[0]) if inner else []
    subject = next((value for name, value in headers if name == "subject"), "")
    return f"{decoded(subject)[:200]}.eml" if subject else None


def _size(part: Part) -> int | None:
    """Return the size of a part's content in bytes; None for parts that have parts."""
    if part.is_multipart():
        return None
    try:
        content = part.get_payload(decode=True)
    except (LookupError, ValueError, TypeError, AssertionError):
        return None
    return len(content) if isinstance(content, bytes) else None
