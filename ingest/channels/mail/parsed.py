"""A mail that its provider has parsed already: headers, text, HTML and a list of files."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email import policy
from email.parser import HeaderParser

from ingest.channels.mail.delivery_report import read_headers
from ingest.channels.mail.html_text import html_to_text
from ingest.channels.mail.mail import Mail, header_value, storable
from ingest.events.payloads import Attachment

Headers = Sequence[tuple[str, str]]


def header_block(text: str) -> list[tuple[str, str]]:
    """Return the headers of a block of lines, as they come before a mail's text."""
    return read_headers(HeaderParser(policy=policy.compat32).parsestr(text.lstrip()))


def parsed_mail(
    headers: Headers,
    known: Mapping[str, str],
    *,
    text: str,
    html: str,
    attachments: Iterable[Attachment] = (),
    envelope_sender: str | None = None,
) -> Mail:
    """Return the mail. `known`: values that the provider decoded; they replace the headers of these names."""
    given = {name: value for name, value in known.items() if value.strip()}
    cleaned = [(name.lower(), header_value(value)) for name, value in headers]
    kept = [(name, value) for name, value in cleaned if name not in given]
    all_headers = (*kept, *((name, header_value(value)) for name, value in given.items()))
    content_type = next((value for name, value in kept if name == "content-type"), "")
    body = text if text.strip() else html_to_text(html)
    return Mail(
        headers=all_headers,
        text=storable(body).replace("\r\n", "\n") or None,
        attachments=tuple(attachments),
        notes=("nul_replaced",) if "\0" in text + html else (),
        content_type=re.split(r"[;\s]", content_type.lower(), maxsplit=1)[0] or "text/plain",
        envelope_sender=envelope_sender,
        digest=hashlib.sha256(repr((all_headers, body)).encode()).hexdigest(),
    )
