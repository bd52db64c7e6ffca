"""Telegram's Bot API as its documentation describes it: three methods with their checks and errors.

https://core.telegram.org/bots/api#making-requests
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convolake.loopback_server import Reply, Request, serve
from tests.channels.stand_ins.forms import Part, read_form

TOKEN = "123456:AAbb_cc-dd"  # noqa: S105 (of the stand-in alone)
CONTENT = {"sendMessage": "text", "sendPhoto": "photo", "sendDocument": "document"}


class TelegramApi:
    """A bot: the chats that it knows, and what it sent."""

    def __init__(self) -> None:
        self.url = ""
        self.path = f"/bot{TOKEN}"
        self.chats = {23, -100}
        self.blocked_by: set[int] = set()
        self.upgraded: dict[int, int] = {}
        self.wait: int | None = None
        self.sent: list[dict[str, Any]] = []
        self.next_reply: Reply | None = None
        """Answered once instead of the checks, for failures that no request causes."""

    def answer(self, request: Request) -> Reply:
        if self.next_reply is not None:
            reply, self.next_reply = self.next_reply, None
            return reply
        prefix, _, method = request.path.rpartition("/")
        if prefix != self.path:
            return _error(401, "Unauthorized")
        if method not in CONTENT:
            return _error(404, "Not Found")
        fields = _fields(request)
        return self._failure(fields, method) or self._success(fields, method)

    def _success(self, fields: dict[str, Any], method: str) -> Reply:
        self.sent.append({**fields, "method": method})
        result = {"message_id": len(self.sent), "chat": {"id": fields["chat_id"]}, "date": 1}
        return Reply(200, json.dumps({"ok": True, "result": result}).encode())

    def _failure(self, fields: dict[str, Any], method: str) -> Reply | None:
        chat = fields.get("chat_id")
        if self.wait is not None:
            description = f"Too Many Requests: retry after {self.wait}"
            return _error(429, description, {"retry_after": self.wait})
        if chat in self.blocked_by:
            return _error(403, "Forbidden: bot was blocked by the user")
        if chat in self.upgraded:
            parameters = {"migrate_to_chat_id": self.upgraded[chat]}
            return _error(400, "Bad Request: group chat was upgraded", parameters)
        if chat not in self.chats:
            return _error(400, "Bad Request: chat not found")
        fault = _fault(fields, CONTENT[method])
        return _error(400, f"Bad Request: {fault}") if fault else None


@contextmanager
def telegram_api() -> Iterator[TelegramApi]:
    """A bot that answers until the block ends."""
    api = TelegramApi()
    with serve(api.answer) as url:
        api.url = url
        yield api


def _fields(request: Request) -> dict[str, Any]:
    """Return the fields of a call: JSON, or a form, where a file is the content of its field."""
    content_type = request.headers.get("content-type", "")
    if content_type == "application/json":
        fields: dict[str, Any] = json.loads(request.body)
        return fields
    fields = {}
    for part in read_form(content_type, request.body):
        text = "" if part.file_name else part.content.decode()
        is_json = part.name in ("chat_id", "message_thread_id", "reply_parameters", "reply_markup")
        fields[part.name] = part if part.file_name else json.loads(text) if is_json else text
    return fields


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2  # raises for half of a surrogate pair


def _fault(fields: dict[str, Any], content: str) -> str | None:
    given = fields.get(content, "")
    if isinstance(given, Part):
        if len(given.content) > (10 if content == "photo" else 50) * 1024 * 1024:
            return "file is too big"
    elif not given.strip():
        return "message text is empty"
    if content == "text" and _units(fields["text"]) > 4096:
        return "message is too long"
    if _units(fields.get("caption", "")) > 1024:
        return "message caption is too long"
    if not isinstance(fields.get("reply_parameters", {"message_id": 1})["message_id"], int):
        return "message to be replied not found"
    buttons = [
        each for row in fields.get("reply_markup", {}).get("inline_keyboard", []) for each in row
    ]
    for button in buttons:
        if not button.get("text") or len(set(button) & {"url", "callback_data"}) != 1:
            return "can't parse inline keyboard button"
        if len(button.get("callback_data", "x").encode()) not in range(1, 65):
            return "BUTTON_DATA_INVALID"
    return None


def _error(code: int, description: str, parameters: dict[str, int] | None = None) -> Reply:
    fields = {"ok": False, "error_code": code, "description": description}
    given = {**fields, "parameters": parameters} if parameters else fields
    return Reply(code, json.dumps(given).encode())
