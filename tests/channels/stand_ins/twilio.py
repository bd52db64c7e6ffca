"""A stand-in of Twilio's Messages resource. Source: twilio.com/docs/messaging/api/message-resource."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from convolake.loopback_server import Reply, Request, serve

_TO = re.compile(
    r"(whatsapp:|rcs:)?\+[1-9][0-9]{7,14}|whatsapp:[A-Z]{2}\.[A-Za-z0-9]{1,128}|messenger:[0-9]+"
)


class TwilioApi:
    """Messages of one Account SID. `opted_out`, `landlines`: numbers that Twilio does not send to."""

    def __init__(self) -> None:
        self.url = ""
        self.sid, self.token = "AC" + "1" * 32, "a token"
        self.opted_out: set[str] = set()
        self.landlines: set[str] = set()
        self.forms: list[dict[str, list[str]]] = []
        self.next_reply: Reply | None = None

    def answer(self, request: Request) -> Reply:
        if self.next_reply is not None:
            reply, self.next_reply = self.next_reply, None
            return reply
        credentials = base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {credentials}":
            return error(401, 20003)
        if request.path != f"/2010-04-01/Accounts/{self.sid}/Messages.json":
            return error(404, 20404)
        form = parse_qs(request.body.decode(), strict_parsing=True)
        code = self._code(form)
        if code is not None:
            return error(400, code)
        self.forms.append(form)
        sid = f"SM{len(self.forms):032x}"
        return Reply(201, json.dumps({"sid": sid, "status": "queued", "error_code": None}).encode())

    def _code(self, form: dict[str, list[str]]) -> int | None:
        to, sender = form.get("To", [""])[0], form.get("From", [None])[0]
        text, callback = form.get("Body", [""])[0], form.get("StatusCallback", ["https://x"])[0]
        problems = {
            21604: not to,
            21211: bool(to) and not _TO.fullmatch(to),
            21603: sender is None and "MessagingServiceSid" not in form,
            21619: not {"Body", "MediaUrl", "ContentSid"} & form.keys(),
            21617: len(text.encode("utf-16-le")) > 2 * 1_600,
            21623: len(form.get("MediaUrl", [])) > (1 if ":" in to else 10),
            21609: not callback.startswith(("http://", "https://")),
            21910: sender is not None and sender.rpartition(":")[0] != to.rpartition(":")[0],
            21610: to in self.opted_out,
            21614: to in self.landlines,
        }
        return next((code for code, is_wrong in problems.items() if is_wrong), None)


def error(status: int, code: int, **headers: str) -> Reply:
    """Return an error as Twilio words it, with the number that it is about."""
    body = {"code": code, "message": "The number +15005550001 …", "status": status}
    return Reply(status, json.dumps(body).encode(), headers)


@contextmanager
def twilio_api() -> Iterator[TwilioApi]:
    """A running stand-in."""
    api = TwilioApi()
    with serve(api.answer) as api.url:
        yield api
