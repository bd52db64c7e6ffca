"""Who else judges whether a call is its provider's: the SDKs, and where there is none the documented rule."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, parse_qsl

from linebot.v3.webhook import SignatureValidator  # type: ignore[import-untyped]
from msgspec import Struct, structs
from pywa.utils import webhook_updates_validator
from sendgrid.helpers.eventwebhook import EventWebhook
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from vonage_http_client import Auth  # type: ignore[import-untyped]
from vonage_jwt import verify_signature  # type: ignore[import-untyped]

from ingest.channels.base import Account, Call
from ingest.channels.mail.sendgrid import SIGNATURE, TIMESTAMP
from tests.channels.recorded_readings import read_content

HEX_SIGNATURE = re.compile(rb"sig(?:nature)?\"?\r?\n?\r?\n?[=:]?[ \"]*([0-9a-f]{32,64})")
"""A signature among the fields of a form, a multipart form or a JSON object."""


class Judge(Struct, frozen=True):
    """`accepts`: its verdict. `header`: where the proof is, or None if it is a field of the body."""

    name: str
    accepts: Callable[[Call, Account], bool]
    header: str | None
    covers_body: bool = True


def verdict(judge: Judge, call: Call, account: Account) -> bool:
    """Return the verdict; an exception of an SDK is a no."""
    try:
        return bool(judge.accepts(call, account))
    except Exception:
        return False


def forgeries(judge: Judge, call: Call) -> Iterator[tuple[str, Call]]:
    """Yield copies with one changed bit: in the proof, and in the body if the proof covers it."""
    header = judge.header
    if header in call.headers:
        changed = _flipped(call.headers[header].encode(), -6).decode()  # type: ignore[index]
        yield "proof", structs.replace(call, headers={**call.headers, header: changed})
    else:
        found = HEX_SIGNATURE.search(call.body)
        assert found is not None, call.body
        yield "proof", structs.replace(call, body=_flipped(call.body, found.start(1) + 3))
    if judge.covers_body and call.body:
        yield "body", structs.replace(call, body=_flipped(call.body, len(call.body) // 2))


def _flipped(raw: bytes, place: int) -> bytes:
    changed = bytearray(raw)
    changed[place] ^= 1
    return bytes(changed)


def _secret(account: Account, name: str) -> str:
    return account.secrets[name][0]


def _pywa(call: Call, account: Account) -> bool:
    given = call.headers["x-hub-signature-256"]
    return bool(webhook_updates_validator(_secret(account, "app_secret"), call.body, given))


class _Params(dict[str, list[str]]):
    """Fields as a web framework gives them to the SDK."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def _twilio(call: Call, account: Account) -> bool:
    text = call.body.decode()
    is_form = "json" not in call.headers["content-type"]
    params = _Params(parse_qs(text, keep_blank_values=True)) if is_form else text
    validator = RequestValidator(_secret(account, "auth_token"))
    return bool(validator.validate(call.url, params, call.headers["x-twilio-signature"]))


def _vonage(call: Call, account: Account) -> bool:
    secret = _secret(account, "signature_secret")
    if "authorization" in call.headers:
        return bool(verify_signature(call.headers["authorization"].partition(" ")[2], secret))
    is_json = call.body.startswith(b"{")
    fields = read_content(call.body) if is_json else dict(parse_qsl(call.body.decode(), True))
    method = account.options["signature_method"]
    auth = Auth(api_key="a", signature_secret=secret, signature_method=method)
    return bool(auth.check_signature(fields))


def _slack(call: Call, account: Account) -> bool:
    verifier = SignatureVerifier(_secret(account, "signing_secret"))
    return verifier.is_valid_request(call.body, dict(call.headers))


def _line(call: Call, account: Account) -> bool:
    validator = SignatureValidator(_secret(account, "channel_secret"))
    return bool(validator.validate(call.body.decode(), call.headers["x-line-signature"]))


def _sendgrid(call: Call, account: Account) -> bool:
    sdk = EventWebhook(_secret(account, "public_key"))
    given, at = call.headers[SIGNATURE], call.headers[TIMESTAMP]
    return bool(sdk.verify_signature(call.body.decode(), given, at))


def _webhook(call: Call, account: Account) -> bool:
    Webhook(_secret(account, "signing_secret")).verify(
        call.body, dict(call.headers), json_parse=False
    )
    return True


def _mailgun(call: Call, account: Account) -> bool:
    found = {
        name: re.search(
            rb"%s\"?\r?\n?\r?\n?[=:]?[ \"]*([0-9a-f]+)" % name.encode(), call.body
        )
        for name in ("timestamp", "token", "signature")
    }  # fmt: skip
    given = {name: each[1] for name, each in found.items() if each}
    key = _secret(account, "signing_key").encode()
    signed = given["timestamp"] + given["token"]
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode() == given["signature"]


def _basic(call: Call, account: Account) -> bool:
    given = base64.b64decode(call.headers["authorization"].partition(" ")[2]).decode()
    return given.partition(":")[2] == _secret(account, "webhook_password")


def _telegram(call: Call, account: Account) -> bool:
    return call.headers["x-telegram-bot-api-secret-token"] == _secret(account, "secret_token")


META = Judge("pywa", _pywa, "x-hub-signature-256")
JUDGES = {
    "whatsapp_cloud": META,
    "messenger": META,
    "instagram": META,
    "twilio": Judge("twilio", _twilio, "x-twilio-signature"),
    "vonage": Judge("vonage", _vonage, "authorization"),
    "slack": Judge("slack-sdk", _slack, "x-slack-signature"),
    "telegram": Judge("the token", _telegram, "x-telegram-bot-api-secret-token", False),
    "line": Judge("line-bot-sdk", _line, "x-line-signature"),
    "email": Judge("the password", _basic, "authorization", False),
    "sendgrid": Judge("sendgrid", _sendgrid, SIGNATURE),
    "mailgun": Judge("an HMAC", _mailgun, None, False),
    "postmark": Judge("the password", _basic, "authorization", False),
    "webhook": Judge("standardwebhooks", _webhook, "webhook-signature"),
}
"""By provider. A proof that is in the body, or is the same in every call, does not cover the body."""
