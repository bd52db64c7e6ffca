"""Signatures of Standard Webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ingest.channels.base import InvalidSignatureError

TOLERANCE_SECONDS = 300
"""Maximum difference between the time that was signed and now, in both directions."""

MAX_SIGNATURES = 16
SHARED, PUBLIC, PRIVATE = "whsec_", "whpk_", "whsk_"

Headers = list[tuple[str, str]]


def sign(message_id: str, seconds: int, body: bytes, secret: str) -> Headers:
    """Return the three headers of a call. `secret`: `whsec_…` or `whsk_…`; `message_id` has no full stop.

    Raises ValueError with another secret: a public key cannot sign.
    """
    signed = f"{message_id}.{seconds}.".encode() + body
    if secret.startswith(PRIVATE):
        signature = f"v1a,{_encode(_private_key(secret).sign(signed))}"
    elif secret.startswith(SHARED):
        signature = f"v1,{_hmac(secret, signed)}"
    else:
        raise ValueError("a call is signed with whsec_… or whsk_…")
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", str(seconds)),
        ("webhook-signature", signature),
    ]


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: int) -> None:
    """Check a call. `now`: microseconds since 1970. Raises InvalidSignatureError."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and timestamp and given):
        raise InvalidSignatureError("a header of the signature is missing")
    # `a.1` at second 2 and `a` at second 1 would sign the same text.
    if "." in message_id or not message_id.isascii():
        raise InvalidSignatureError("the id of the call is not ASCII, or has a full stop")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("9999999999")):
        raise InvalidSignatureError("the timestamp is not in whole seconds")
    if abs(int(timestamp) - now // 1_000_000) > TOLERANCE_SECONDS:
        raise InvalidSignatureError("the timestamp is more than 5 minutes away from now")
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = given.split(" ")[:MAX_SIGNATURES]
    if not any(is_valid for secret in secrets for is_valid in _check(secret, signed, signatures)):
        raise InvalidSignatureError("no secret of the account gives this signature")


def _check(secret: str, signed: bytes, signatures: Sequence[str]) -> Iterator[bool]:
    """Yield for each signature whether this secret gives it."""
    try:
        if secret.startswith(SHARED):
            expected = f"v1,{_hmac(secret, signed)}".encode()
            for each in signatures:
                yield hmac.compare_digest(expected, each.encode("utf-8", "replace"))
        else:
            key = _public_key(secret)
            for each in signatures:
                yield _has_signed(key, signed, each)
    except ValueError as error:
        raise InvalidSignatureError("the account's secret is not whsec_… or whpk_…") from error


def _has_signed(key: Ed25519PublicKey, signed: bytes, signature: str) -> bool:
    version, _, encoded = signature.partition(",")
    try:
        raw = base64.b64decode(encoded, validate=True)
        if version != "v1a" or _encode(raw) != encoded:  # one signature has one spelling
            return False
        key.verify(raw, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _hmac(secret: str, signed: bytes) -> str:
    return _encode(hmac.digest(_shared_key(secret), signed, hashlib.sha256))


@lru_cache(maxsize=64)
def _shared_key(secret: str) -> bytes:
    return _decode(secret, SHARED)


def _private_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_decode(secret, PRIVATE)[:32])


def _public_key(secret: str) -> Ed25519PublicKey:
    if secret.startswith(PRIVATE):
        return _private_key(secret).public_key()
    return Ed25519PublicKey.from_public_bytes(_decode(secret, PUBLIC))


def new_key_pair() -> tuple[str, str]:
    """Return a private and a public key, `whsk_…` and `whpk_…`."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PRIVATE + _encode(key.private_bytes_raw()), PUBLIC + _encode(public)


def _decode(secret: str, prefix: str) -> bytes:
    """Return the bytes of a secret. Raises ValueError."""
    if not secret.startswith(prefix):
        raise ValueError("the secret has another prefix")
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
