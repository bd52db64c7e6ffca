"""Signatures of webhooks: Standard Webhooks v1, HMAC-SHA256 over `id.timestamp.body`.

https://www.standardwebhooks.com; the package `standardwebhooks` verifies them.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"


def new_secret() -> str:
    """Return a secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def active_secrets(
    secret: str, old: str | None, old_secret_until: int | None, now: int
) -> list[str]:
    """Return the signing secrets: two during a rotation."""
    return [secret, old] if old is not None and (old_secret_until or 0) > now else [secret]


def sign(
    delivery_id: str, seconds: int, body: bytes, keys: Sequence[str]
) -> list[tuple[bytes, bytes]]:
    """Return the three headers of a delivery at `seconds` since 1970, signed with each of `keys`.

    During a rotation there are two, so that a receiver with either secret accepts the request.
    `delivery_id` has no full stop: it would make the signed text ambiguous.
    """
    signed = f"{delivery_id}.{seconds}.".encode() + body
    signatures = " ".join(f"v1,{_signature(key, signed)}" for key in keys)
    return [
        (b"webhook-id", delivery_id.encode()),
        (b"webhook-timestamp", str(seconds).encode()),
        (b"webhook-signature", signatures.encode()),
    ]


def _signature(key: str, signed: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
