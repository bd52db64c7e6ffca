"""A mail as Mailgun's routes post it: raw MIME, a parsed form, or the notice of a stored mail."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ingest.channels.fields import count_of, text_of
from ingest.channels.mail.form_data import Form
from ingest.channels.mail.mail import Mail
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.parsed import parsed_mail
from ingest.events.payloads import Attachment

KNOWN = {"from": "from", "to": "To", "cc": "Cc", "subject": "subject"}
"""Headers and the fields that have them if `message-headers` is missing."""


def route_mail(form: Form) -> Mail:
    """Return the mail of a route: raw in the field `body-mime`, or parsed."""
    sender = form.text("sender") or None
    if "body-mime" in form.fields:
        return read_mail(form.fields["body-mime"], sender)
    headers = _headers(form)
    known = {} if headers else {name: form.text(field) for name, field in KNOWN.items()}
    recipient = form.text("recipient")
    if not any(name.lower() == "to" for name, _ in headers) and recipient:
        known["to"] = known.get("to") or recipient
    known["x-original-to"] = recipient
    return parsed_mail(
        headers,
        known,
        text=form.text("body-plain"),
        html=form.text("body-html"),
        attachments=_attachments(form),
        envelope_sender=sender,
    )


def _headers(form: Form) -> list[tuple[str, str]]:
    """Return the field `message-headers`, a JSON list of pairs."""
    try:
        pairs = msgspec.json.decode(form.fields.get("message-headers", b"[]"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [
        (each[0], each[1])
        for each in (pairs if isinstance(pairs, list) else [])
        if isinstance(each, list) and len(each) == 2 and all(isinstance(x, str) for x in each)
    ]


def _attachments(form: Form) -> Iterable[Attachment]:
    """Yield the files of a form; a stored mail only has their addresses, in the field `attachments`."""
    content_ids = {
        file: cid.strip("<>")
        for cid, file in form.json("content-id-map").items()
        if isinstance(file, str)
    }
    for name, file in form.files.items():
        url = f"cid:{content_ids[name]}" if name in content_ids else None
        yield Attachment(url=url, content_type=file.content_type, size=file.size, name=file.name)
    try:
        stored = msgspec.json.decode(
            form.fields.get("attachments", b"[]"), type=list[dict[str, Any]]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        stored = []
    for each in stored:
        yield Attachment(
            url=text_of(each, "url"),
            content_type=text_of(each, "content-type"),
            size=count_of(each, "size"),
            name=text_of(each, "name"),
        )
