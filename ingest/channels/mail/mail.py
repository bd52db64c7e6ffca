"""A mail as data: its headers, its text, its attachments. Every reading of a header is tolerant.

Values are kept as they came, because names must be told apart before they are decoded (RFC 2047).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime

from msgspec import Struct

from ingest.events.payloads import Attachment

MAX_HEADER = 32_768
"""Longer values are cut: no mail program writes them."""

MAX_ENCODED = 4_096
"""Characters of a value with encoded words that are decoded: the time grows with the square of it."""

MAX_IDS = 200
UNTRUSTED_CODECS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
"""Codecs of Python that are no charset of a mail, and slow or wrong on long input."""

MAILBOX = re.compile(r"[^\s<>,;:\"()\[\]@]{1,64}@[^\s<>,;:\"()\[\]@]{1,253}")
MESSAGE_ID = re.compile(r"<([^<>\s]{1,900})>")


class Mailbox(Struct, frozen=True):
    """An address as a header names it, and the name of its owner."""

    name: str | None
    address: str


class DeliveryReport(Struct, frozen=True, kw_only=True):
    """The fields of a delivery status notification (RFC 3464); `original_id`: the Message-ID that it reports."""

    action: str
    status: str | None = None
    reason: str | None = None
    recipient: str | None = None
    original_id: str | None = None


class Mail(Struct, frozen=True, kw_only=True):
    """A mail. Header names are lower case. `notes`: what was odd; `digest`: a hash of the content.

    `parent`: the Content-Type of the whole mail; `envelope_sender`: None if the call does not name it.
    """

    headers: tuple[tuple[str, str], ...]
    text: str | None
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()
    content_type: str = "text/plain"
    report: DeliveryReport | None = None
    envelope_sender: str | None = None
    digest: str

    def values(self, name: str) -> list[str]:
        """Return the values of a header, as they came."""
        return [value for each, value in self.headers if each == name]

    def value(self, name: str) -> str:
        """Return the first value of a header, as it came, or an empty string."""
        return next(iter(self.values(name)), "")

    def decoded(self, name: str) -> str:
        """Return the first value of a header for people, or an empty string."""
        return decoded(self.value(name))

    def mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        """Return the addresses of a header; a group gives its members."""
        return mailboxes(self.values(name))

    def message_ids(self, name: str) -> tuple[str, ...]:
        """Return the Message-IDs of a header in order, each with its angle brackets."""
        found = MESSAGE_ID.findall(" ".join(self.values(name)))
        return tuple(f"<{each}>" for each in dict.fromkeys(found[-MAX_IDS:]))

    def message_id(self) -> str:
        """Return the Message-ID with angle brackets, or one made of the content: the same at each redelivery."""
        found = self.message_ids("message-id")
        plain = self.value("message-id").strip()
        if found:
            return found[0]
        is_plain = bool(plain) and len(plain) < 900 and not re.search(r"[\s<>]", plain)
        return f"<{plain}>" if is_plain else f"<{self.digest}@mail.without.message-id>"

    def sent_at(self) -> int | None:
        """Return the time of the header Date, microseconds since 1970, or None."""
        return moment(self.value("date"))


def bytes_to_text(raw: bytes, charset: str | None) -> tuple[str, bool]:
    """Return the text, and whether the charset had to be guessed. Never raises."""
    name = (charset or "").strip().strip("'\"").lower()
    if name.replace("-", "_") not in UNTRUSTED_CODECS and name not in ("", "us-ascii", "ascii"):
        try:
            return raw.decode(name), False
        except UnicodeDecodeError:
            if not name.startswith(("utf", "iso-8859", "windows-125")):
                return raw.decode(name, "replace"), True
        except (LookupError, ValueError):
            pass
    for each in ("utf-8", "windows-1252"):
        try:
            text = raw.decode(each)
        except UnicodeDecodeError:
            continue
        return text, bool(name) and not raw.isascii()
    return raw.decode("latin-1"), True


def storable(text: str) -> str:
    """Return the text without what the log cannot store: U+0000 and lone surrogates become U+FFFD."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def header_value(raw: str) -> str:
    """Return a header's value on one line. Bytes above ASCII are read as UTF-8, else as windows-1252."""
    line = re.sub(r"[\r\n]+", "", raw[:MAX_HEADER]).strip()
    try:
        given = line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        given = line.encode("utf-8", "replace")
    return storable(bytes_to_text(given, None)[0])


def decoded(value: str) -> str:
    """Return a header's value with its encoded words decoded (RFC 2047)."""
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value[:MAX_ENCODED])
    except (HeaderParseError, ValueError):
        return value
    words = (each if isinstance(each, str) else _word(each, charset) for each, charset in parts)
    return storable("".join(words)).strip()


def _word(raw: bytes, charset: str | None) -> str:
    if charset is None:
        return raw.decode("raw_unicode_escape", "replace")
    return bytes_to_text(raw, charset.partition("*")[0])[0]


def mailboxes(values: Iterable[str]) -> tuple[Mailbox, ...]:
    """Return the addresses that header values name, in order. A value that breaks the rules is searched."""
    found: dict[str, Mailbox] = {}
    for value in values:
        for each in _parsed(value):
            found.setdefault(each.address.lower(), each)
    return tuple(found.values())


def _parsed(value: str) -> list[Mailbox]:
    try:
        pairs = getaddresses([value])
    except (ValueError, TypeError, IndexError, RecursionError):
        pairs = []
    good = [(name, address) for name, address in pairs if MAILBOX.fullmatch(address)]
    if good and len(good) == sum(1 for each in pairs if any(each)):
        return [Mailbox(decoded(name).strip() or None, address) for name, address in good]
    loose = MAILBOX.findall(value)
    name = decoded(value.partition(loose[0])[0]).strip(" <\"'") if len(loose) == 1 else ""
    return [Mailbox(name or None, address.strip(".")) for address in loose]


def moment(value: str) -> int | None:
    """Return the time that a Date header names, microseconds since 1970, or None if it names none."""
    try:
        read = parsedate_to_datetime(value)
        aware = read if read.tzinfo else read.replace(tzinfo=UTC)
        seconds = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return round(seconds * 1_000_000) if seconds > 0 else None
