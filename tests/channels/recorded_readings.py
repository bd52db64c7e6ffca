"""What recorded calls say, read without the adapters: the text, time and id of each message."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct


class Said(Struct, frozen=True):
    """A message of a call. `at`: seconds since 1970; None where the call has no time."""

    provider_id: str
    text: str | None
    at: float | None


def read_whatsapp_cloud(body: Any) -> Iterator[Said]:
    for entry in body["entry"]:
        for value in (each["value"] for each in entry["changes"]):
            for sent in (*value.get("messages", ()), *value.get("message_echoes", ())):
                inner = sent.get(sent["type"])
                if sent["type"] in ("reaction", "unsupported", "revoke", "edit") or inner is None:
                    continue
                yield Said(sent["id"], _whatsapp_text(sent["type"], inner), int(sent["timestamp"]))


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
                at = sent["timestamp"] / 1000 if "timestamp" in sent else None
                yield Said(sent["message"]["mid"], sent["message"].get("text"), at)


def read_line(body: Any) -> Iterator[Said]:
    for event in body["events"]:
        if event["type"] == "message":
            text = event["message"].get("text")
            yield Said(event["message"]["id"], text, event["timestamp"] / 1000)


def read_twilio(form: Any) -> Iterator[Said]:
    if "MessageStatus" not in form:
        yield Said(form.get("MessageSid") or form["SmsSid"], form["Body"], None)


def read_vonage(body: Any) -> Iterator[Said]:
    if "text" in body and "status" not in body:
        stamp = body["timestamp"] if "message_uuid" in body else body["message-timestamp"] + "Z"
        at = datetime.fromisoformat(stamp).timestamp()
        yield Said(body.get("message_uuid") or body["messageId"], body["text"], at)


def read_slack(body: Any) -> Iterator[Said]:
    event = body.get("event", {})
    if event.get("type") in ("message", "app_mention") and "ts" in event:
        if event.get("subtype") != "message_changed":
            yield Said(f"{event['channel']}/{event['ts']}", event["text"], float(event["ts"]))


def read_telegram(update: Any) -> Iterator[Said]:
    sent = update["message"] if "update_id" in update and "message" in update else {}
    media = {"photo", "video", "audio", "document", "sticker", "location", "dice"} & set(sent)
    if {"text", "caption"} & set(sent) or media:
        text = sent.get("text", sent.get("caption", sent.get("dice", {}).get("emoji")))
        yield Said(f"{sent['chat']['id']}/{sent['message_id']}", text, sent["date"] or None)


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
"""Readers by provider."""


def read_content(raw: bytes) -> Any:
    """Return a JSON body, or the fields of a form. Raises ValueError if it is neither."""
    text = raw.decode("utf-8-sig").strip()
    if text[:1] in ("{", "["):
        return json.loads(text)
    form = dict(parse_qsl(text, keep_blank_values=True))
    return json.loads(form["payload"]) if "payload" in form else form
