"""A stand-in of Meta's Graph API on loopback: it checks what the documentation demands of a send.

Sources: «Messages API», «Media», «WhatsApp error codes», «Send API», «Common Error Codes», «Message Tags» (Meta).
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from convolake.loopback_server import Reply, Request, serve
from tests.channels.stand_ins.meta_error import MetaError
from tests.channels.stand_ins.meta_media import Stored, read_upload
from tests.channels.stand_ins.meta_rules import check_send, check_whatsapp

Answer = tuple[int, dict[str, str], bytes]


class Taken(NamedTuple):
    """A request that the stand-in took as a message."""

    product: str
    path: str
    body: dict[str, Any]
    provider_id: str


class MetaStandIn:
    """Takes messages for `token`; a test sets the window, its clock, and answers of its own.

    `last_inbound`: the customer's last message in microseconds, by the id to which an answer goes.
    `fault`: called before each request; an answer that it returns is sent instead. `stored`: uploaded media by id.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = "token-1"  # noqa: S105
        self.now = 0
        self.last_inbound: dict[str, int] = {}
        self.taken: list[Taken] = []
        self.stored: dict[str, Stored] = {}
        self.profiles: dict[str, dict[str, str]] = {}
        self.fault: Callable[[], Answer | None] = lambda: None
        self._lock = threading.Lock()

    def handle(self, path: str, headers: Mapping[str, str], raw: bytes) -> Answer:
        with self._lock:
            fault = self.fault()
            if fault is not None:
                return fault
            try:
                return 200, {}, json.dumps(self._take(path, headers, raw)).encode()
            except (KeyError, TypeError, AttributeError):
                error = MetaError(100)
            except MetaError as raised:
                error = raised
            return error.status, {}, json.dumps({"error": error.body()}).encode()

    def _take(self, path: str, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        if headers.get("authorization") != f"Bearer {self.token}":
            raise MetaError(190, status=401)
        if path.startswith("/whatsapp/") and path.endswith("/media"):
            return self._store(headers.get("content-type", ""), raw)
        if not raw:
            return self._profile(urlsplit(path))
        try:
            body = json.loads(raw)
        except ValueError:
            raise MetaError(100) from None
        product, _, rest = path.lstrip("/").partition("/")
        if product == "whatsapp":
            return self._take_whatsapp(rest, body)
        if product in ("messenger", "instagram") and rest == "me/messages":
            return self._take_send(product, rest, body)
        raise MetaError(100, 33)

    def _profile(self, url: SplitResult) -> dict[str, Any]:
        """Answer the User Profile API: the fields that are asked for, of a person who consented."""
        person = url.path.rpartition("/")[2]
        if person not in self.profiles:
            raise MetaError(230, status=403)
        fields = parse_qs(url.query)["fields"][0].split(",")
        known = {name: value for name, value in self.profiles[person].items() if name in fields}
        return {**known, "id": person}

    def _store(self, content_type: str, raw: bytes) -> dict[str, Any]:
        identifier = f"media-{len(self.stored) + 1}"
        self.stored[identifier] = read_upload(content_type, raw)
        return {"id": identifier}

    def _take_whatsapp(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        number, _, resource = path.partition("/")
        if not number.isdecimal() or resource != "messages":
            raise MetaError(100, 33)
        recipient = check_whatsapp(body, self.stored)
        if body["type"] != "template" and not self._is_open(recipient):
            raise MetaError(131047)
        taken = self._record("whatsapp", path, body, "wamid.")
        contact = {"input": recipient, "wa_id": recipient}
        messages = [{"id": taken.provider_id}]
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": messages}

    def _take_send(self, product: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        recipient = check_send(body, is_instagram=product == "instagram")
        if body["messaging_type"] != "MESSAGE_TAG" and not self._is_open(recipient):
            raise MetaError(10, 2018278)
        taken = self._record(product, path, body, "m_")
        return {"recipient_id": recipient, "message_id": taken.provider_id}

    def _is_open(self, recipient: str) -> bool:
        last = self.last_inbound.get(recipient)
        return last is not None and self.now - last < 24 * 3600 * 1_000_000

    def _record(self, product: str, path: str, body: dict[str, Any], prefix: str) -> Taken:
        taken = Taken(product, path, body, f"{prefix}{len(self.taken) + 1}")
        self.taken.append(taken)
        return taken


@contextmanager
def meta_stand_in() -> Iterator[MetaStandIn]:
    """A stand-in that listens until the block ends; `url`/whatsapp, /messenger and /instagram are its bases."""

    def answer(request: Request) -> Reply:
        status, headers, body = stand_in.handle(request.path, request.headers, request.body)
        return Reply(status, body, headers)

    with serve(answer) as url:
        stand_in = MetaStandIn(url)
        yield stand_in
