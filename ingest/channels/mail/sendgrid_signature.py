"""ECDSA signatures on the curve P-256 with SHA-256, in base64, as SendGrid uses them."""

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from ingest.channels.base import InvalidSignatureError

MAX_SIGNATURE = 200


def verify(signed: bytes, signature: str, keys: Sequence[str]) -> None:
    """Check that one of the public keys (SPKI in base64) signed. Raises InvalidSignatureError.

    Only the canonical base64 of a signature is accepted.
    """
    if len(signature) > MAX_SIGNATURE:
        raise InvalidSignatureError("the signature is too long")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignatureError("the signature is not readable") from None
    if not raw or base64.b64encode(raw).decode() != signature:
        raise InvalidSignatureError("the signature is not readable")
    if not any(_is_valid(signed, raw, each) for each in keys):
        raise InvalidSignatureError("no key of the account fits the signature")


def _is_valid(signed: bytes, signature: bytes, key: str) -> bool:
    public = _public_key(key)
    if public is None:
        return False
    try:
        public.verify(signature, signed, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(key: str) -> EllipticCurvePublicKey | None:
    try:
        public = load_der_public_key(base64.b64decode(key))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, EllipticCurvePublicKey) else None


def sign(content: bytes, private_key: str) -> str:
    """Return the signature by a private key (PEM), or an empty one without a usable key."""
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ""
    if not isinstance(key, EllipticCurvePrivateKey):
        return ""
    return base64.b64encode(key.sign(content, ECDSA(hashes.SHA256()))).decode()
