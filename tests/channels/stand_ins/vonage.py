"""A stand-in of Vonage's Messages API. Source: developer.vonage.com/en/api/messages (version 1)."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from convolake.loopback_server import Reply, Request, serve

_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_LIMITS = {"sms": 3_200, "whatsapp": 4_096, "viber_service": 1_000, "messenger": 640, "rcs": 3_072}
_TYPES: Mapping[str, tuple[str, ...]] = {
    "sms": ("text",),
    "mms": ("image", "vcard", "audio", "video", "file", "content"),
    "whatsapp": ("text", "image", "audio", "video", "file", "template", "sticker", "custom"),
    "messenger": ("text", "image", "audio", "video", "file"),
    "viber_service": ("text", "image", "video", "file"),
    "rcs": ("text", "image", "video", "file", "card", "carousel", "custom"),
}


class VonageApi:
    """One application, and its account's key and secret. `bodies`: messages that were taken."""

    def __init__(self) -> None:
        self.url = ""
        self.key, self.secret, self.application = "a1234567", "an API secret", "application-1"
        private_key = rsa.generate_private_key(65_537, 2_048)
        pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.private_key = private_key.private_bytes(*pem).decode()
        self._public_key = private_key.public_key()
        self.bodies: list[dict[str, Any]] = []
        self.next_reply: Reply | None = None

    def answer(self, request: Request) -> Reply:
        if self.next_reply is not None:
            reply, self.next_reply = self.next_reply, None
            return reply
        if not self._is_authorized(request.headers.get("authorization", "")):
            return error(401, "unauthorized")
        if request.path != "/v1/messages":
            return error(404, "not-found")
        body = json.loads(request.body)
        if not _is_acceptable(body):
            return error(422, "1150")
        self.bodies.append(body)
        uuid = f"00000000-0000-4000-8000-{len(self.bodies):012}"
        return Reply(202, json.dumps({"message_uuid": uuid}).encode())

    def _is_authorized(self, header: str) -> bool:
        basic = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if header == f"Basic {basic}":
            return True
        try:
            claims = jwt.decode(
                header.removeprefix("Bearer "),
                self._public_key,
                algorithms=["RS256"],
                options={"require": ["iat", "jti"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            return False
        return bool(claims["application_id"] == self.application)


def error(status: int, code: str, **headers: str) -> Reply:
    """Return a problem as Vonage words it, with a link to its code."""
    kind = f"https://developer.vonage.com/api-errors/messages#{code}"
    body = {"type": kind, "title": "A title", "detail": "About 447700900000", "instance": "i"}
    return Reply(status, json.dumps(body).encode(), headers)


def _is_acceptable(body: Mapping[str, Any]) -> bool:
    channel, kind = body.get("channel", ""), body.get("message_type", "")
    if kind not in _TYPES.get(channel, ()) or not body.get("from") or kind not in body:
        return False
    if kind == "text" and not 1 <= len(body["text"].encode("utf-16-le")) // 2 <= _LIMITS[channel]:
        return False
    if kind in ("image", "audio", "video", "file") and not body[kind].get("url"):
        return False
    to, reference = body.get("to", ""), body.get("client_ref", "")
    is_bsuid = channel == "whatsapp" and _BSUID.fullmatch(to)
    is_known = channel == "messenger" or _NUMBER.fullmatch(to) or is_bsuid
    return bool(is_known) and len(reference) <= 100


@contextmanager
def vonage_api() -> Iterator[VonageApi]:
    """A running stand-in."""
    api = VonageApi()
    with serve(api.answer) as api.url:
        yield api
