"""What recorded calls of chat providers say, read without the adapters: each event with its text, time and author."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.channels.said import Said, credible

RECEIPTS = {
    "sent": "submitted", "accepted": "submitted", "queued": "submitted", "submitted": "submitted",
    "delivered": "delivered", "read": "read", "played": "read", "failed": "failed",
    "undelivered": "failed", "undeliverable": "failed", "rejected": "failed",
}  # fmt: skip
"""Our name of a provider's status."""


def read_whatsapp_cloud(body: Any) -> Iterator[Said]:
    for value in (change["value"] for each in body["entry"] for change in each["changes"]):
        for sent in value.get("messages", ()):
            yield _whatsapp_item(sent, sent.get("from") or sent.get("from_user_id"), "customer")
        for sent in value.get("message_echoes", ()):
            yield _whatsapp_item(sent, None, "agent")
        for each in value.get("statuses", ()):
            status = f"message.{RECEIPTS[each['status']]}"
            error = next(iter(each.get("errors", ())), None)
            details = {"error_code": str(error["code"])} if error else {}
            yield Said("whatsapp", each["id"], None, int(each["timestamp"]), None, status, None, details)  # fmt: skip
        for each in value.get("errors", ()):
            yield Said("whatsapp", None, kind="custom.whatsapp_cloud.error", author=None, data=each)


def _whatsapp_item(sent: Any, sender: str | None, author: str) -> Said:
    kind, at, inner = sent["type"], int(sent["timestamp"]), sent.get(sent["type"])
    if kind == "reaction":
        details = {"reaction": inner.get("emoji") or None}
        return Said("whatsapp", inner["message_id"], None, at, sender, "message.reacted", author, details)  # fmt: skip
    if kind == "edit":
        text = inner["message"]["text"]["body"]
        return Said("whatsapp", inner["original_message_id"], text, at, sender, "message.edited", author)  # fmt: skip
    if kind == "revoke":
        return Said("whatsapp", inner["original_message_id"], None, at, sender, "message.deleted", author)  # fmt: skip
    if kind == "unsupported" or inner is None:
        return Said("whatsapp", None, None, at, sender, f"custom.whatsapp_cloud.{kind}", author, data=sent)  # fmt: skip
    return Said("whatsapp", sent["id"], _whatsapp_text(kind, inner), at, sender, author=author)


def _whatsapp_text(kind: str, inner: Any) -> str | None:
    if kind == "text":
        return str(inner["body"])
    if kind == "button":
        return str(inner["text"])
    if kind == "interactive":
        return str(inner[inner["type"]]["title"])
    return inner.get("caption") if isinstance(inner, dict) else None


def read_messenger(body: Any) -> Iterator[Said]:
    for sent in (each for entry in body["entry"] for each in entry["messaging"]):
        yield from _messenger_items("messenger", sent)


def read_instagram(body: Any) -> Iterator[Said]:
    for sent in (each for entry in body["entry"] for each in entry["messaging"]):
        yield from _messenger_items("instagram", sent)


def _messenger_items(channel: str, sent: Any) -> Iterator[Said]:
    at = credible(sent.get("timestamp", 0) / 1000)
    sender = str(sent["sender"].get("id") or sent["sender"].get("user_ref"))
    read, delivery = sent.get("read", {}), sent.get("delivery", {})
    if message := sent.get("message"):
        author = "agent" if message.get("is_echo") else "customer"
        who = sender if author == "customer" else None
        yield Said(channel, message["mid"], message.get("text"), at, who, author=author)
    elif "postback" in sent:
        given = sent["postback"]
        yield Said(channel, None, given.get("title") or given["payload"], at, sender)
    for mid in (*delivery.get("mids", ()), *([read["mid"]] if "mid" in read else ())):
        status = "message.read" if read else "message.delivered"
        yield Said(channel, mid, None, at, None, status, None)
    if mark := read.get("watermark") or delivery.get("watermark"):
        status = "message.read" if read else "message.delivered"
        page = str(sent["recipient"]["id"])
        yield Said(channel, None, None, at, sender, status, None, until=mark / 1000, page=page)
    for name in ("pass_thread_control", "take_thread_control"):
        if name in sent:
            yield Said(channel, None, None, at, None, f"custom.{channel}.{name}", None, data=sent)


def read_line(body: Any) -> Iterator[Said]:
    for event in body["events"]:
        sender, at = event["source"].get("userId"), event["timestamp"] / 1000
        if event["type"] == "message":
            message = event["message"]
            yield Said("line", message["id"], message.get("text"), at, sender)
        else:
            yield Said("line", None, None, at, sender, f"custom.line.{event['type']}", data=event)


def read_twilio(form: Any) -> Iterator[Said]:
    address = unquote(form["From"])
    prefix, _, sender = address.rpartition(":")
    channel = prefix or "sms"
    name = form.get("MessageSid") or form["SmsSid"]
    if "MessageStatus" in form:
        code, reason = form.get("ErrorCode"), form.get("ErrorMessage")
        given = {"error_code": code, "reason": reason}
        details = {key: each for key, each in given.items() if each}
        kind = f"message.{RECEIPTS[form['MessageStatus']]}"
        yield Said(channel, name, None, None, None, kind, None, details)
    else:
        yield Said(channel, name, form["Body"], None, sender)


def read_vonage(body: Any) -> Iterator[Said]:
    channel = {"viber_service": "viber"}.get(body.get("channel", "sms"), body.get("channel", "sms"))
    name = body.get("message_uuid") or body["messageId"]
    stamp = body["timestamp"] if "message_uuid" in body else body["message-timestamp"] + "Z"
    at = datetime.fromisoformat(stamp).timestamp()
    if "status" not in body:
        yield Said(channel, name, body["text"], at, body.get("msisdn") or body["from"])
        return
    details = {"error_code": body["error"]["title"]} if "error" in body else {}
    kind = f"message.{RECEIPTS[body['status']]}"
    yield Said(channel, name, None, at, None, kind, None, details)


def read_slack(body: Any) -> Iterator[Said]:
    event = body.get("event", {})
    if body.get("type") == "block_actions":
        yield from _slack_actions(body)
    elif body.get("type") == "app_rate_limited":
        at = float(body["minute_rate_limited"])
        yield Said("slack", None, None, at, None, "custom.slack.app_rate_limited", None)
    elif "command" in body:
        text = f"{body['command']} {body['text']}".strip()
        yield Said("slack", None, text, None, body["user_id"], "custom.slack.slash_command")
    elif event:
        yield _slack_event(body, event)


def _slack_event(body: Any, event: Any) -> Said:
    kind, sender = event["type"], event.get("user")
    if kind == "reaction_added":
        place = f"{event['item']['channel']}/{event['item']['ts']}"
        at, details = float(event.get("event_ts") or body["event_ts"]), {"reaction": event["reaction"]}  # fmt: skip
        return Said("slack", place, None, at, sender, "message.reacted", "customer", details)
    if event.get("subtype") == "message_changed":
        changed, at = event["message"], float(event["ts"])
        place = f"{event['channel']}/{event['previous_message']['ts']}"
        return Said("slack", place, changed["text"], at, changed["user"], "message.edited")
    if kind in ("message", "app_mention"):
        is_bot = "bot_id" in event or event.get("subtype") == "bot_message"
        author, who = ("bot", None) if is_bot else ("customer", sender)
        place = f"{event['channel']}/{event['ts']}"
        return Said("slack", place, event["text"], float(event["ts"]), who, author=author)
    by = "customer" if sender else None
    return Said("slack", None, None, None, sender, f"custom.slack.{kind}", by, data=event)


def _slack_actions(body: Any) -> Iterator[Said]:
    for each in body["actions"]:
        chosen = each.get("selected_option", each)["text"]["text"]
        yield Said("slack", None, chosen, float(each["action_ts"]), body["user"]["id"])


def read_telegram(update: Any) -> Iterator[Said]:
    assert "update_id" in update
    if "callback_query" in update:
        query = update["callback_query"]
        yield Said("telegram", None, query["data"], None, str(query["from"]["id"]))
        return
    if "edited_message" in update:
        sent = update["edited_message"]
        text, at = sent.get("text", sent.get("caption")), credible(sent["edit_date"])
        place, sender = f"{sent['chat']['id']}/{sent['message_id']}", str(sent["from"]["id"])
        yield Said("telegram", place, text, at, sender, "message.edited")
        return
    sent = update["message"]
    sender, at = str(sent["from"]["id"]), credible(sent["date"])
    if "pinned_message" in sent:
        yield Said("telegram", None, None, at, sender, "custom.telegram.pinned_message", data=sent)
    else:
        text = sent.get("text", sent.get("caption", sent.get("dice", {}).get("emoji")))
        yield Said("telegram", f"{sent['chat']['id']}/{sent['message_id']}", text, at, sender)


WEBHOOK_KINDS = {
    "message": "message.created", "edit": "message.edited", "deletion": "message.deleted",
    "reaction": "message.reacted", "other": "custom.webhook",
}  # fmt: skip


def read_webhook(body: Any) -> Iterator[Said]:
    for each in body["items"]:
        kind, at = each["type"], each.get("at")
        seconds = None if at is None else datetime.fromisoformat(at).timestamp()
        sender = each.get("from", {}).get("id")
        name = each["id"] if kind == "message" else each.get("message")
        details = {"reaction": each["reaction"]} if kind == "reaction" else {}
        if kind == "receipt":
            yield Said("api", name, None, seconds, None, f"message.{each['status']}", None)
        elif kind == "other":
            event = f"custom.webhook.{each['kind']}"
            yield Said("api", None, each.get("text"), seconds, sender, event, data=each["data"])
        elif kind != "typing":
            text = each.get("text")
            yield Said("api", name, text, seconds, sender, WEBHOOK_KINDS[kind], "customer", details)


READERS = {
    "whatsapp_cloud": read_whatsapp_cloud,
    "messenger": read_messenger,
    "instagram": read_instagram,
    "line": read_line,
    "twilio": read_twilio,
    "vonage": read_vonage,
    "slack": read_slack,
    "telegram": read_telegram,
    "webhook": read_webhook,
}
"""Readers by provider; those of mail read bytes."""


def read_content(raw: bytes) -> Any:
    """Return a JSON body, or the fields of a form. Raises ValueError if it is neither."""
    text = raw.decode("utf-8-sig").strip()
    if text[:1] in ("{", "["):
        return json.loads(text)
    form = dict(parse_qsl(text, keep_blank_values=True))
    return json.loads(form["payload"]) if "payload" in form else form
