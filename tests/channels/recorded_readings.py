"""What recorded calls say, read without the adapters: the text, time and id of each message."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from email.parser import BytesParser
from email.policy import compat32
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct


class Said(Struct, frozen=True):
    """A message of a call. `at`: seconds since 1970; None where the call has no time that counts.

    `sender`: the id or number of the customer who wrote it; None where our side wrote it. The text of a mail
    is compared in the tests of mail, so `has_text` is False for it.
    """

    provider_id: str
    text: str | None
    at: float | None
    sender: str | None = None
    has_text: bool = True


def read_whatsapp_cloud(body: Any) -> Iterator[Said]:
    for entry in body["entry"]:
        for value in (each["value"] for each in entry["changes"]):
            for sent in (*value.get("messages", ()), *value.get("message_echoes", ())):
                inner = sent.get(sent["type"])
                if sent["type"] in ("reaction", "unsupported", "revoke", "edit") or inner is None:
                    continue
                sender = sent.get("from") or sent.get("from_user_id")
                is_echo = "message_echoes" in value
                text = _whatsapp_text(sent["type"], inner)
                at = int(sent["timestamp"])
                yield Said(sent["id"], text, at, None if is_echo else sender)


def _whatsapp_text(kind: str, inner: Any) -> str | None:
    if kind == "text":
        return str(inner["body"])
    if kind == "button":
        return str(inner["text"])
    if kind == "interactive":
        return str(inner[inner["type"]]["title"])
    return inner.get("caption") if isinstance(inner, dict) else None


def read_messenger(body: Any) -> Iterator[Said]:
    for entry in body["entry"]:
        for sent in entry["messaging"]:
            if "message" in sent:
                at = sent.get("timestamp", 0) / 1000
                message = sent["message"]
                sender = None if message.get("is_echo") else str(sent["sender"]["id"])
                yield Said(message["mid"], message.get("text"), _credible(at), sender)


def read_line(body: Any) -> Iterator[Said]:
    for event in body["events"]:
        if event["type"] == "message":
            message, sender = event["message"], event["source"].get("userId")
            yield Said(message["id"], message.get("text"), event["timestamp"] / 1000, sender)


def read_twilio(form: Any) -> Iterator[Said]:
    if "MessageStatus" not in form:
        sender = unquote(form["From"]).rpartition(":")[2]
        yield Said(form.get("MessageSid") or form["SmsSid"], form["Body"], None, sender)


def read_vonage(body: Any) -> Iterator[Said]:
    if "text" in body and "status" not in body:
        stamp = body["timestamp"] if "message_uuid" in body else body["message-timestamp"] + "Z"
        at = datetime.fromisoformat(stamp).timestamp()
        sender = body.get("msisdn") or body["from"]
        yield Said(body.get("message_uuid") or body["messageId"], body["text"], at, sender)


def read_slack(body: Any) -> Iterator[Said]:
    event = body.get("event", {})
    is_message = event.get("type") in ("message", "app_mention") and "ts" in event
    if is_message and event.get("subtype") != "message_changed":
        place, sender = f"{event['channel']}/{event['ts']}", event.get("user")
        yield Said(place, event["text"], float(event["ts"]), sender)


def read_telegram(update: Any) -> Iterator[Said]:
    sent = update["message"] if "update_id" in update and "message" in update else {}
    media = {"photo", "video", "audio", "document", "sticker", "location", "dice"} & set(sent)
    if {"text", "caption"} & set(sent) or media:
        text = sent.get("text", sent.get("caption", sent.get("dice", {}).get("emoji")))
        place, sender = f"{sent['chat']['id']}/{sent['message_id']}", str(sent["from"]["id"])
        yield Said(place, text, _credible(sent["date"]), sender)


def read_mail(raw: bytes) -> Iterator[Said]:
    mail = BytesParser(policy=compat32).parsebytes(raw)
    name = str(mail["Message-ID"] or "").strip()
    if name and mail["From"] is not None:
        name = name if name.startswith("<") else f"<{name}>"
        found = _ADDRESS.search(str(mail["From"]))
        yield Said(name, None, None, found and found[0].lower(), False)


_ADDRESS = re.compile(r"""[^\s<>,;:"()]+@[^\s<>,;:"()]+""")


def _credible(at: float) -> float | None:
    """Return a time that the log keeps: one before 1990 is a broken clock."""
    return at if at > 631_152_000 else None


READERS = {
    "whatsapp_cloud": read_whatsapp_cloud,
    "messenger": read_messenger,
    "instagram": read_messenger,
    "line": read_line,
    "twilio": read_twilio,
    "vonage": read_vonage,
    "slack": read_slack,
    "telegram": read_telegram,
}
"""Readers by provider; those of mail read bytes."""


def read_content(raw: bytes) -> Any:
    """Return a JSON body, or the fields of a form. Raises ValueError if it is neither."""
    text = raw.decode("utf-8-sig").strip()
    if text[:1] in ("{", "["):
        return json.loads(text)
    form = dict(parse_qsl(text, keep_blank_values=True))
    return json.loads(form["payload"]) if "payload" in form else form
