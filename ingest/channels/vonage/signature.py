"""Vonage's two proofs: a signed token for the Messages API, a signature among the fields for the SMS API.

Sources: developer.vonage.com/en/getting-started/concepts/webhooks (signed webhooks), /signing-messages.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import Account, Call, InvalidSignatureError, UnreadableCallError
from ingest.channels.fields import JSON_ERRORS, form_pairs, is_form, json_object
from ingest.channels.signatures import check_equal

TOKEN_WINDOW = 300
"""Seconds that a token's `iat` may differ from our clock."""

SMS_WINDOW = 86_400
"""Seconds that the `timestamp` of an SMS call may be old: a repeated call may have the first one's time, and
Vonage repeats for 24 hours. A replay within it is a duplicate by its message id."""

SECRET = "signature_secret"  # noqa: S105 (its name)

_SMS_FUTURE = 300
_HMAC = ("md5", "sha1", "sha256", "sha512")
_DEFAULT_METHOD = "md5hash"


def verify(call: Call, account: Account, now: int) -> None:
    """Check the token or the signature of a call; `now` is in microseconds. Raises InvalidSignatureError."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        _verify_token(token.strip(), call, account, now // 1_000_000)
    else:
        _verify_fields(call, account, now // 1_000_000)


def sign(body: bytes, content_type: str, account: Account, now: int) -> Call:
    """Return a POST of a body: a call of the SMS API gets `timestamp` and `sig`, any other a token."""
    headers = {"content-type": content_type}
    call = Call(method="POST", url="https://localhost/", headers=headers, query={}, body=body)
    signed = _signed_fields(call, account, now // 1_000_000)
    if signed is None:
        headers["authorization"] = f"Bearer {_token(body, account, now // 1_000_000)}"
        return call
    body = urlencode(signed).encode() if is_form(call) else msgspec.json.encode(signed)
    return msgspec.structs.replace(call, body=body)


def sms_fields(call: Call) -> Mapping[str, Any]:
    """Return the fields of the SMS API: of a query, a form or a JSON object. Raises UnreadableCallError."""
    return dict(form_pairs(call)) if is_form(call) else json_object(call.body)


def fields_signature(fields: Mapping[str, Any], secret: str, method: str) -> str:
    """Return the signature of all fields but `sig`, in lower-case hexadecimal."""
    parts = [f"&{name}={_flat(fields[name])}" for name in sorted(fields) if name != "sig"]
    signed = "".join(parts).encode("utf-8", "surrogatepass")
    if method in _HMAC:
        return hmac.new(secret.encode(), signed, method).hexdigest()
    return hashlib.md5(signed + secret.encode(), usedforsecurity=False).hexdigest()


def _flat(value: object) -> str:
    return str(value).replace("&", "_").replace("=", "_")


def _verify_fields(call: Call, account: Account, now: int) -> None:
    try:
        fields = sms_fields(call)
    except UnreadableCallError:
        raise InvalidSignatureError(
            "the call has no token, and no fields with a signature"
        ) from None
    if any("&" in name or "=" in name for name in fields):
        raise InvalidSignatureError("a name has a character that the signature does not cover")
    method, given = _method(account), str(fields.get("sig", ""))
    if method not in (*_HMAC, _DEFAULT_METHOD):
        raise InvalidSignatureError("the option signature_method is not one of Vonage's")
    if given not in (given.lower(), given.upper()):
        raise InvalidSignatureError("the signature has letters of both cases")
    expected = [fields_signature(fields, secret, method) for secret in secrets_of(account, SECRET)]
    check_equal(given.lower(), expected, "sig does not fit the signature secret and method")
    _check_sms_time(str(fields.get("timestamp", "")), now)


def _check_sms_time(timestamp: str, now: int) -> None:
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    if not is_number or not now - SMS_WINDOW <= int(timestamp) <= now + _SMS_FUTURE:
        raise InvalidSignatureError("timestamp is missing, or too far from our clock")


def _method(account: Account) -> str:
    return account.options.get("signature_method") or _DEFAULT_METHOD


def _signed_fields(call: Call, account: Account, now: int) -> dict[str, Any] | None:
    """Return the fields of an SMS call with time and signature, or None if it is no SMS call."""
    try:
        fields = dict(sms_fields(call))
    except UnreadableCallError:
        return None
    if not is_form(call) and "messageId" not in fields:
        return None
    fields["timestamp"] = str(now)
    secret = newest_secret(account, SECRET)
    return fields | {"sig": fields_signature(fields, secret, _method(account))}


def _verify_token(token: str, call: Call, account: Account, now: int) -> None:
    signed, _, given = token.rpartition(".")
    expected = [_mac(signed, secret) for secret in secrets_of(account, SECRET)]
    check_equal(given, expected, "the token does not fit the signature secret")
    header, claims = _decoded(signed.partition(".")[0]), _decoded(signed.partition(".")[2])
    if header.get("alg") != "HS256" or "crit" in header or "aud" in claims:
        raise InvalidSignatureError("the token is not of the kind that Vonage sends")
    api_key = account.options.get("api_key")
    if api_key and claims.get("api_key") != api_key:
        raise InvalidSignatureError("the token is of another API key")
    if claims.get("payload_hash") != hashlib.sha256(call.body).hexdigest() or call.method == "GET":
        raise InvalidSignatureError("the token is of another body")
    _check_token_time(claims, now)


def _check_token_time(claims: Mapping[str, Any], now: int) -> None:
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if name in claims}
    if "iat" not in times or not all(type(each) in (int, float) for each in times.values()):
        raise InvalidSignatureError("the token has no readable time")
    is_fresh = abs(now - times["iat"]) <= TOKEN_WINDOW
    if not is_fresh or times.get("nbf", now) > now or times.get("exp", now + 1) <= now:
        raise InvalidSignatureError("the token's time is too far from our clock")


def _token(body: bytes, account: Account, now: int) -> str:
    digest = hashlib.sha256(body).hexdigest()
    claims = {
        "iat": now,
        "jti": str(uuid5(NAMESPACE_URL, f"{digest}/{now}")),
        "iss": "Vonage",
        "payload_hash": digest,
        "api_key": account.options.get("api_key", ""),
    }
    header = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(_encoded(msgspec.json.encode(part)) for part in (header, claims))
    return f"{signed}.{_mac(signed, newest_secret(account, SECRET))}"


def _mac(signed: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), signed.encode("utf-8", "replace"), "sha256")
    return _encoded(digest)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _decoded(part: str) -> Mapping[str, Any]:
    try:
        padded = part.encode() + b"=" * (-len(part) % 4)
        return msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=dict[str, Any]
        )
    except JSON_ERRORS:
        raise InvalidSignatureError("the token cannot be read") from None
