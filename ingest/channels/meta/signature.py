"""The signature and the URL check that WhatsApp Cloud, Messenger and Instagram share.

Meta's page «Webhooks: Getting Started»: the header `X-Hub-Signature-256` is `sha256=` and the HMAC-SHA256 of
the raw body under the app secret, in lower-case hex. Meta has no replay window; redeliveries have the same ids.
"""

import hashlib
import hmac
import re

from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import Account, Call, Challenge, Field, InvalidSignatureError
from ingest.channels.signatures import check_equal

APP_SECRET = Field("app_secret", "App Dashboard > App settings > Basic > App secret")
VERIFY_TOKEN = Field(
    "verify_token", "a word of your choice; type the same at Webhooks > Verify token"
)
ACCESS_TOKEN = Field("access_token", "a permanent token of a system user, or of the page")

REDELIVERY = (
    "Meta repeats a call for up to 7 days until it gets 200; several items may come in one body."
)

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})\Z", re.ASCII)


def check_signature(call: Call, account: Account) -> None:
    """Check the raw body against every app secret, in constant time. Raises InvalidSignatureError."""
    signature = _SIGNATURE.match(call.headers.get("x-hub-signature-256", ""))
    if signature is None:
        raise InvalidSignatureError(
            "X-Hub-Signature-256 is missing or is not sha256=<64 hex digits>"
        )
    expected = [_digest(each, call.body) for each in secrets_of(account, "app_secret")]
    check_equal(signature.group(1), expected, "the signature does not match the app secret")


def answer_challenge(call: Call, account: Account) -> Challenge | None:
    """Answer the check of the URL, or return None for other calls. Raises InvalidSignatureError if the token differs."""
    if call.method != "GET":
        return None
    if call.query.get("hub.mode") != "subscribe":
        raise InvalidSignatureError("the call does not check the URL")
    given, expected = call.query.get("hub.verify_token", ""), secrets_of(account, "verify_token")
    check_equal(given, expected, "the verify token does not match")
    return Challenge(200, call.query.get("hub.challenge", "").encode("utf-8", "replace"))


def signed_call(body: bytes, content_type: str, account: Account) -> Call:
    """Return the call that Meta would send with this body, signed with the newest app secret."""
    signature = _digest(newest_secret(account, "app_secret"), body)
    headers = {"content-type": content_type, "x-hub-signature-256": f"sha256={signature}"}
    return Call(method="POST", url="", headers=headers, query={}, body=body)


def _digest(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
