"""Meta's rules for the body of a send, checked apart from the code that writes it."""

from collections.abc import Mapping
from typing import Any

from tests.channels.stand_ins.meta_error import demand
from tests.channels.stand_ins.meta_media import MEDIA, Stored, check_media

TAGS = ("HUMAN_AGENT", "ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE")


def check_whatsapp(body: dict[str, Any], stored: Mapping[str, Stored]) -> str:
    """Return the recipient of a valid body of the Messages API. `stored`: uploaded media by id. Raises MetaError."""
    demand(body.get("messaging_product") == "whatsapp")
    recipient = body.get("to") or body.get("recipient")
    demand(isinstance(recipient, str) and recipient, 131008)
    if body.get("recipient_type") == "group":
        demand(body["to"] and body.get("type") != "interactive", 131009)
    elif "to" in body:
        demand(body["to"].isdecimal(), 131009)
    else:
        demand(body["recipient"][2:3] == ".", 131009)
    demand(len(body.get("biz_opaque_callback_data", "")) <= 512)
    kind = str(body.get("type"))
    demand(kind in (*MEDIA, "text", "interactive", "template"), 131051)
    content = body.get(kind)
    demand(isinstance(content, dict), 131008)
    if "context" in body:
        demand(body["context"].get("message_id"), 131009)
    if kind in MEDIA:
        check_media(kind, content or {}, stored)
    else:
        _check_content(kind, content or {}, is_number="to" in body)
    return str(recipient)


def _check_content(kind: str, content: dict[str, Any], *, is_number: bool) -> None:
    if kind == "text":
        demand(1 <= len(content["body"]) <= 4096 and content["body"].strip())
    elif kind == "interactive":
        _check_interactive(content)
    else:
        demand(content.get("name"), 132001)
        demand(content.get("language", {}).get("code"), 132001)
        demand(is_number or not content["name"].startswith("auth_"), 131062)


def _check_interactive(content: dict[str, Any]) -> None:
    demand(1 <= len(content["body"]["text"]) <= 1024, 131009)
    action = content["action"]
    if content["type"] == "button":
        demand(1 <= len(action["buttons"]) <= 3, 131009)
        _check_replies([each["reply"] for each in action["buttons"]], 20, 256)
    elif content["type"] == "list":
        demand(1 <= len(action["button"]) <= 20, 131009)
        rows = [row for section in action["sections"] for row in section["rows"]]
        demand(1 <= len(rows) <= 10, 131009)
        _check_replies(rows, 24, 200)
    else:
        demand(content["type"] == "cta_url" and action["name"] == "cta_url", 131009)
        demand(1 <= len(action["parameters"]["display_text"]) <= 20, 131009)
        demand(action["parameters"]["url"].startswith("http"), 131009)


def _check_replies(replies: list[dict[str, str]], title: int, identifier: int) -> None:
    for reply in replies:
        demand(1 <= len(reply["title"]) <= title, 131009)
        demand(1 <= len(reply["id"]) <= identifier, 131009)
    demand(len({reply["id"] for reply in replies}) == len(replies), 131009)


def check_send(body: dict[str, Any], *, is_instagram: bool) -> str:
    """Return the recipient of a valid body of the Send API. Raises MetaError."""
    recipient = body.get("recipient", {})
    demand(len(recipient) == 1 and set(recipient) <= {"id", "user_ref"})
    kind = body.get("messaging_type")
    demand(kind in ("RESPONSE", "UPDATE", "MESSAGE_TAG"))
    demand((kind == "MESSAGE_TAG") == ("tag" in body))
    if "tag" in body:
        demand(body["tag"] in (("HUMAN_AGENT",) if is_instagram else TAGS))
    message = body.get("message", {})
    demand(("text" in message) != ("attachment" in message))
    demand(len(message.get("metadata", "")) < 1000)
    if "text" in message:
        size = len(message["text"].encode()) if is_instagram else len(message["text"])
        demand(1 <= size <= (1000 if is_instagram else 2000))
    else:
        _check_attachment(message["attachment"])
    _check_quick_replies(message.get("quick_replies", []))
    return str(next(iter(recipient.values())))


def _check_attachment(attachment: dict[str, Any]) -> None:
    payload = attachment["payload"]
    if attachment["type"] == "template":
        demand(payload["template_type"] == "button")
        demand(1 <= len(payload["text"]) <= 640)
        demand(1 <= len(payload["buttons"]) <= 3)
        for button in payload["buttons"]:
            demand(1 <= len(button["title"]) <= 20)
            demand(("url" if button["type"] == "web_url" else "payload") in button)
    else:
        demand(attachment["type"] in ("image", "audio", "video", "file"))
        demand(payload["url"].startswith("http"))


def _check_quick_replies(replies: list[dict[str, str]]) -> None:
    demand(len(replies) <= 13)
    for reply in replies:
        demand(reply["content_type"] == "text")
        demand(1 <= len(reply["title"]) <= 20)
        demand(1 <= len(reply["payload"]) <= 1000)
