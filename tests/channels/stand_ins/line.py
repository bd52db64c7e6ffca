"""A stand-in of LINE's push API. Source: developers.line.biz/en/reference/messaging-api."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from convolake.loopback_server import Reply, Request, serve

_TO = re.compile(r"[UCR][0-9a-f]{32}")
_TOKEN = "an access token"  # noqa: S105
_TYPES = ("text", "image", "video", "audio", "location", "sticker", "template", "flex", "imagemap")


class LineApi:
    """Pushes of one channel. `pushes`: bodies that were taken; a retry key is taken once."""

    def __init__(self) -> None:
        self.url = ""
        self.pushes: list[dict[str, Any]] = []
        self.friends: dict[str, str] = {}
        self.accepted: dict[str, Reply] = {}
        self.next_reply: Reply | None = None
        self.loses_answers = False

    def answer(self, request: Request) -> Reply:
        if self.next_reply is not None:
            reply, self.next_reply = self.next_reply, None
            return reply
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return error(401, "Authentication failed. Confirm that the access token is valid.")
        if request.method == "GET":
            return self._profile(request.path)
        if request.path != "/v2/bot/message/push":
            return error(404, "Not found")
        key = request.headers.get("x-line-retry-key")
        problem = _problem(json.loads(request.body)) or _key_problem(key)
        if problem:
            return error(400, problem)
        return self._take(json.loads(request.body), key)

    def _profile(self, path: str) -> Reply:
        """Answer for friends of the account."""
        user = path.removeprefix("/v2/bot/profile/")
        if user not in self.friends:
            return error(404, "Not found")
        profile = {"userId": user, "displayName": self.friends[user]}
        return Reply(200, json.dumps(profile).encode())

    def _take(self, body: dict[str, Any], key: str | None) -> Reply:
        if key in self.accepted:
            first = self.accepted[key]
            headers = {"x-line-accepted-request-id": first.headers["x-line-request-id"]}
            return error(409, "The retry key is already accepted", **headers)
        self.pushes.append(body)
        ids = [{"id": f"{len(self.pushes)}{n}"} for n, _ in enumerate(body["messages"])]
        headers = {"x-line-request-id": f"request-{len(self.pushes)}"}
        reply = Reply(200, json.dumps({"sentMessages": ids}).encode(), headers)
        if key is not None:
            self.accepted[key] = reply
        return error(500, "Internal server error") if self.loses_answers else reply


def error(status: int, message: str, **headers: str) -> Reply:
    return Reply(status, json.dumps({"message": message}).encode(), headers)


def _key_problem(key: str | None) -> str | None:
    try:
        UUID(key or "")
    except ValueError:
        return "Invalid retry key"
    return None


def _problem(body: Mapping[str, Any]) -> str | None:
    if not _TO.fullmatch(body.get("to", "")):
        return "The property, 'to', in the request body is invalid"
    messages = body.get("messages", [])
    if not 1 <= len(messages) <= 5:
        return "Size must be between 1 and 5"
    return next((problem for each in messages if (problem := _message_problem(each))), None)


def _message_problem(message: Mapping[str, Any]) -> str | None:
    if message.get("type") not in _TYPES:
        return "Must be one of the message types"
    if message["type"] == "text" and not 1 <= _units(message["text"]) <= 5_000:
        return "Length must be between 1 and 5000"
    if message["type"] == "image" and not message["previewImageUrl"].startswith("https://"):
        return "Must be an HTTPS URL"
    items = message.get("quickReply", {"items": [None]})["items"]
    if not 1 <= len(items) <= 13:
        return "Size must be between 1 and 13"
    actions = [each["action"] for each in items if each]
    return next((problem for each in actions if (problem := _action_problem(each))), None)


def _action_problem(action: Mapping[str, Any]) -> str | None:
    if not 1 <= _units(action["label"]) <= 20:
        return "Length must be between 1 and 20"
    long = [action.get(name, "x") for name in ("text", "data", "displayText")]
    if not all(1 <= _units(each) <= 300 for each in long):
        return "Length must be between 1 and 300"
    return None if action["type"] in ("message", "postback", "uri") else "Must be an action"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@contextmanager
def line_api() -> Iterator[LineApi]:
    """A running stand-in."""
    api = LineApi()
    with serve(api.answer) as api.url:
        yield api
