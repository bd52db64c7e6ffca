"""What recorded mails and posts of mail providers say, read without the adapters."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parsedate_to_datetime
from typing import Any

from tests.channels.said import Said

_ADDRESS = re.compile(r"""[^\s<>,;:"()]+@[^\s<>,;:"()]+""")


def read_mail(raw: bytes) -> Iterator[Said]:
    """The text of a mail without its quotes is compared in the tests of mail."""
    yield _said(BytesParser(policy=compat32).parsebytes(raw))


def _said(mail: Message, text: str | None = None, sender: str | None = None) -> Said:
    found = _ADDRESS.search(str(mail["From"] or mail["Sender"] or sender or ""))
    name = str(mail["Message-ID"] or "").strip()
    return Said(
        "email", f"<{name.strip('<>')}>" if name else None, text, sent_at(mail["Date"]),
        found and found[0].lower(), author=None if _is_odd(mail) else "customer",
        details=_subject(mail), has_text=text is not None,
    )  # fmt: skip


def _is_odd(mail: Message) -> bool:
    """Return whether another than the header From may be the author: automatic mail, compared in its own tests."""
    automatic = str(mail["Auto-Submitted"] or "no").strip().lower() != "no"
    return automatic or any(
        mail[name] is not None for name in ("Precedence", "X-Autoreply", "X-Original-From")
    )


def _subject(mail: Message) -> dict[str, Any]:
    """Return the decoded subject, if it can be decoded and is there."""
    raw = next((str(each) for name, each in mail.raw_items() if name.lower() == "subject"), "")
    try:
        given = raw.encode("utf-8", "surrogateescape").decode()
        subject = " ".join(str(make_header(decode_header(given))).split())
    except (LookupError, UnicodeError):
        return {}
    return {"email": {"subject": subject}} if subject and subject.isprintable() else {}


def sent_at(date: object) -> float | None:
    """Return seconds since 1970; None for a date that names no instant, or one in the future."""
    try:
        moment = parsedate_to_datetime(str(date))
    except (ValueError, TypeError):
        return None
    is_instant = moment.tzinfo is not None and moment.year >= 1990
    return moment.timestamp() if is_instant and moment.timestamp() < time.time() else None


def read_sendgrid(raw: bytes) -> Iterator[Said]:
    fields = json.loads(raw) if raw.lstrip().startswith(b"{") else _multipart(raw)
    if "email" in fields:
        mail = BytesParser(policy=compat32).parsebytes(fields["email"].encode())
        part = next(each for each in mail.walk() if each.get_content_type() == "text/plain")
        yield _said(mail, str(part.get_payload()).strip())
    else:
        mail = BytesParser(policy=compat32).parsebytes(fields["headers"].encode())
        mail.replace_header("Subject", fields["subject"])
        yield _said(mail, fields["text"].strip())


def _multipart(raw: bytes) -> dict[str, str]:
    """Return the fields of a form: a multipart body whose boundary is its first line."""
    boundary = raw.split(b"\n", 1)[0].strip().removeprefix(b"--")
    head = b'Content-Type: multipart/form-data; boundary="%s"\n\n' % boundary
    form = BytesParser(policy=compat32).parsebytes(head + raw)
    return {
        str(part.get_param("name", header="content-disposition")): str(part.get_payload())
        for part in form.walk()
        if not part.is_multipart() and part["Content-Disposition"]
    }


def read_mailgun(raw: bytes) -> Iterator[Said]:
    fields = json.loads(raw)
    lines = (f"{name}: {each}" for name, each in json.loads(fields.get("message-headers", "[]")))
    mail = BytesParser(policy=compat32).parsebytes("\n".join(lines).encode() + b"\n\n")
    yield _said(mail, fields["body-plain"], fields["sender"])


def read_postmark(raw: bytes) -> Iterator[Said]:
    fields = json.loads(raw)
    headers = {each["Name"].lower(): each["Value"] for each in fields["Headers"]}
    name = headers.get("message-id") or f"<{fields['MessageID']}@inbound.postmarkapp.com>"
    at = datetime.strptime(fields["Date"], "%a, %d %b %Y %H:%M:%S %z").timestamp()
    sender, details = fields["FromFull"]["Email"].lower(), {"email": {"subject": fields["Subject"]}}
    yield Said("email", name, fields["TextBody"], at, sender, details=details)


MAIL_READERS = {
    "email": read_mail,
    "sendgrid": read_sendgrid,
    "mailgun": read_mailgun,
    "postmark": read_postmark,
}
"""Readers by provider."""
