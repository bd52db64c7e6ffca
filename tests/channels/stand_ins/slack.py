"""Slack's Web API as its documentation describes it: `chat.postMessage` and `users.info`, with checks and errors.

https://docs.slack.dev/reference/methods/chat.postMessage, https://docs.slack.dev/reference/methods/users.info and
https://docs.slack.dev/reference/block-kit
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from convolake.loopback_server import Reply, Request, serve


class SlackApi:
    """A workspace: its channels and members, who may post, and what was posted."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens = {"xoxb-good"}
        self.channels = {"C1", "D1", "G1"}
        self.archived: set[str] = set()
        self.members = {"U1": "D1"}
        self.posted: list[dict[str, Any]] = []
        self.profiles: dict[str, dict[str, Any]] = {}
        self.looked_up: list[str] = []
        self.next_reply: Reply | None = None
        """Answered once instead of the checks, for failures that no request causes."""

    def answer(self, request: Request) -> Reply:
        if self.next_reply is not None:
            reply, self.next_reply = self.next_reply, None
            return reply
        if urlsplit(request.path).path == "/api/users.info":
            return _json(self._user(request))
        error = self._error(request)
        if error is not None:
            return _json({"ok": False, "error": error})
        fields = json.loads(request.body)
        channel = self.members.get(fields["channel"], fields["channel"])
        timestamp = f"1700000000.{len(self.posted):06}"
        self.posted.append({**fields, "channel": channel, "ts": timestamp})
        return _json({"ok": True, "channel": channel, "ts": timestamp, "message": {}})

    def _user(self, request: Request) -> dict[str, Any]:
        """Answer users.info, which takes the member as a parameter of the URL, not as JSON."""
        error = self._access_error(request)
        if error is not None:
            return {"ok": False, "error": error}
        (user,) = parse_qs(urlsplit(request.path).query).get("user", [""])
        self.looked_up.append(user)
        if user not in self.profiles:
            return {"ok": False, "error": "user_not_found"}
        return {"ok": True, "user": {"id": user, **self.profiles[user]}}

    def _access_error(self, request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return "not_authed"
        return None if token in self.tokens else "invalid_auth"

    def _error(self, request: Request) -> str | None:
        if request.path != "/api/chat.postMessage":
            return "unknown_method"
        access = self._access_error(request)
        if access is not None:
            return access
        if request.headers.get("content-type") != "application/json; charset=utf-8":
            return "invalid_charset"
        return self._error_of(json.loads(request.body))

    def _error_of(self, fields: dict[str, Any]) -> str | None:
        if fields.get("channel") in self.archived:
            return "is_archived"
        if fields.get("channel") not in self.channels | set(self.members):
            return "channel_not_found"
        if not fields.get("text") and not fields.get("blocks"):
            return "no_text"
        if len(fields.get("text", "")) > 4_000:
            return "msg_too_long"
        if not re.fullmatch(r"\d+\.\d{6}", fields.get("thread_ts", "1.000000")):
            return "invalid_thread_ts"
        metadata = fields.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            return "invalid_metadata_format"
        return None if _are_valid(fields.get("blocks", [])) else "invalid_blocks"


@contextmanager
def slack_api() -> Iterator[SlackApi]:
    """A workspace that answers until the block ends."""
    api = SlackApi()
    with serve(lambda request: api.answer(request)) as url:
        api.url = f"{url}/api"
        yield api


def _json(fields: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(fields).encode(), {"content-type": "application/json"})


def _are_valid(blocks: list[dict[str, Any]]) -> bool:
    return len(blocks) <= 50 and all(_CHECKS[each["type"]](each) for each in blocks)


def _section(block: dict[str, Any]) -> bool:
    text = block["text"]
    return text["type"] in ("mrkdwn", "plain_text") and 1 <= len(text["text"]) <= 3_000


def _image(block: dict[str, Any]) -> bool:
    return len(block["image_url"]) <= 3_000 and 1 <= len(block["alt_text"]) <= 2_000


def _actions(block: dict[str, Any]) -> bool:
    elements = block["elements"]
    names = {each["action_id"] for each in elements}
    return 1 <= len(elements) <= 25 and len(names) == len(elements) and all(map(_button, elements))


def _button(element: dict[str, Any]) -> bool:
    text = element["text"]
    return (
        element["type"] == "button"
        and text["type"] == "plain_text"
        and 1 <= len(text["text"]) <= 75
        and len(element.get("value", "")) <= 2_000
        and len(element.get("url", "")) <= 3_000
        and len(element["action_id"]) <= 255
    )


_CHECKS = {"section": _section, "image": _image, "actions": _actions}
