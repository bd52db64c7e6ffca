"""Delivery status notifications: which of our mails was not delivered (RFC 3464), and the parts of a mail."""

from email import policy
from email.message import Message
from email.parser import HeaderParser
from itertools import islice
from typing import TypeAlias

from ingest.channels.mail.mail import DeliveryReport, header_value, mailboxes

Part: TypeAlias = "Message[str, str]"


MAX_HEADERS = 1_000
"""Further headers of a part are not read."""


def inner_parts(part: Part) -> list[Part]:
    """Return the parts of a part; none if it has only content."""
    payload = part.get_payload()
    parts = payload if isinstance(payload, list) else []
    return [each for each in parts if isinstance(each, Message)]


def read_headers(part: Part) -> list[tuple[str, str]]:
    """Return the headers: lower-case names, values on one line."""
    items = islice(part.raw_items(), MAX_HEADERS)
    return [(name.lower(), header_value(str(value))) for name, value in items]


def read_report(part: Part) -> DeliveryReport | None:
    """Return the delivery status that a mail reports, or None."""
    if part.get_content_type() != "multipart/report":
        return None
    fields: dict[str, str] = {}
    original = None
    for each in inner_parts(part):
        if each.get_content_type() == "message/delivery-status":
            for block in inner_parts(each):
                fields |= dict(read_headers(block))
        elif each.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            original = _original_id(each)
    recipient = fields.get("original-recipient") or fields.get("final-recipient", "")
    return DeliveryReport(
        action=fields.get("action", "").strip().lower() or "unknown",
        status=fields.get("status", "").partition("(")[0].strip() or None,
        reason=fields.get("diagnostic-code") or None,
        recipient=next((each.address for each in mailboxes([recipient])), None),
        original_id=original,
    )


def _original_id(part: Part) -> str | None:
    """Return the Message-ID of the mail that a report has, whole or only its headers."""
    inner = inner_parts(part)
    if not inner:
        inner = [HeaderParser(policy=policy.compat32).parsestr(str(part.get_payload()))]
    headers = read_headers(inner[0])
    return next((value for name, value in headers if name == "message-id"), None)
