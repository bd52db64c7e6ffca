"""Requests to Meta's Graph API and its answers, for WhatsApp Cloud, Messenger and Instagram.

Pages: «Graph API: Handle Errors», «WhatsApp error codes» (June 2026), «Messenger Platform: Common Error Codes»
(March 2026), «Graph API Reference: Page Messages».
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ingest.channels.account_values import newest_secret
from ingest.channels.answers import retry_after
from ingest.channels.base import (
    Account,
    Answer,
    Field,
    File,
    HttpRequest,
    Interpretation,
    Rejected,
    Retry,
    Sent,
    Unknown,
)
from ingest.channels.multipart import multipart

API_URL = Field("api_url", "the address of the Graph API with its version", is_required=False)
GRAPH_FACEBOOK = "https://graph.facebook.com/v23.0"
GRAPH_INSTAGRAM = "https://graph.instagram.com/v23.0"

_RETRIED: Mapping[int, tuple[str, int | None]] = {
    2: ("the service is temporarily down", None),
    4: ("the app's rate limit is reached", 60),
    17: ("the user's rate limit is reached", 60),
    32: ("the page's rate limit is reached", 60),
    190: ("the access token is not valid", None),
    613: ("the rate limit is reached", 60),
    1200: ("a temporary failure", None),
    80006: ("the rate limit of the page is reached", 60),
    80007: ("the rate limit of the business account is reached", 60),
    130429: ("the throughput of the number is reached", 1),
    131000: ("it failed for an unknown reason", None),
    131016: ("the service is overloaded", None),
    131048: ("too many messages were reported as spam", 3600),
    131056: ("too many messages to this person", 6),
    131057: ("the business account is in maintenance", 60),
    133004: ("the server is temporarily unavailable", None),
}
"""Codes after which another attempt may succeed, with seconds to wait. A new token is an operator's work."""

_UNKNOWN = frozenset({1})
"""«An unknown error occurred»: Meta lists a case in which every message was sent."""

_REASONS: Mapping[int, str] = {
    10: "the app may not send this now: outside the window, or without permission",
    100: "a parameter is invalid",
    200: "a permission is missing",
    368: "the account is blocked for a policy violation",
    551: "this person is not available",
    131008: "a required parameter is missing",
    131009: "a parameter has an invalid value",
    131021: "sender and recipient are the same",
    131026: "the message cannot be delivered to this person",
    131030: "the recipient is not on the list of allowed numbers",
    131047: "more than 24 hours after the customer's last message; a template is needed",
    131049: "not delivered, to keep the ecosystem healthy",
    131050: "the person stopped marketing messages",
    131051: "the message type is not supported",
    131052: "the media could not be downloaded",
    131053: "the media could not be uploaded",
    131062: "this message needs a phone number; a business-scoped user id is not enough",
    132000: "the template has another number of parameters",
    132001: "the template does not exist in this language",
}


def graph_request(url: str, account: Account, body: Mapping[str, Any]) -> HttpRequest:
    """Return a POST with the newest access token."""
    headers = (
        ("authorization", f"Bearer {newest_secret(account, 'access_token')}"),
        ("content-type", "application/json"),
    )
    return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))


def graph_upload(
    url: str, account: Account, fields: Mapping[str, str], files: Sequence[tuple[str, File]]
) -> HttpRequest:
    """Return a POST of a form with files and the newest access token."""
    content_type, body = multipart(fields, files)
    headers = (("authorization", f"Bearer {newest_secret(account, 'access_token')}"), content_type)
    return HttpRequest(url=url, headers=headers, body=body)


class _Error(Struct):
    code: int = 0
    error_subcode: int | None = None
    is_transient: bool = False


class _Identified(Struct):
    id: str


class _Answer(Struct):
    error: _Error | None = None
    messages: list[_Identified] = []
    message_id: str | None = None
    id: str | None = None


def interpret_graph_answer(answer: Answer) -> Interpretation:
    """Return what an answer means, by the error code first and the status second."""
    decoded = _decode(answer)
    if decoded.error is not None and answer.status >= 300:
        return _failure(decoded.error, answer)
    if 200 <= answer.status < 300:
        return _success(decoded)
    return _without_code(answer)


def stored_id(answer: Answer) -> str | Retry | Rejected:
    """Return the id of a file that Meta stored, or why it has none. An upload is repeated in doubt."""
    decoded = _decode(answer)
    if 200 <= answer.status < 300 and decoded.id:
        return decoded.id
    found = interpret_graph_answer(answer)
    return found if isinstance(found, Retry | Rejected) else Retry("the file was not stored")


def _decode(answer: Answer) -> _Answer:
    try:
        return msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Answer()


def _success(answer: _Answer) -> Interpretation:
    identifier = answer.messages[0].id if answer.messages else answer.message_id
    return Sent(identifier) if identifier else Unknown("the answer names no message")


def _failure(error: _Error, answer: Answer) -> Interpretation:
    code = error.code
    if code in _UNKNOWN:
        return Unknown(f"the provider does not know whether it sent the message ({code})")
    if code in _RETRIED:
        reason, after = _RETRIED[code]
        return Retry(f"{reason} ({code})", retry_after(answer) or after)
    if error.is_transient or answer.status == 429:
        return Retry(f"the provider asks for another attempt ({code})", retry_after(answer))
    full = f"{code}/{error.error_subcode}" if error.error_subcode else str(code)
    return Rejected(_REASONS.get(code, "the provider rejected the message"), full)


def _without_code(answer: Answer) -> Interpretation:
    if answer.status in (429, 503):
        return Retry(f"the provider answered {answer.status}", retry_after(answer))
    if answer.status >= 500 or answer.status == 408:
        return Unknown(f"the provider answered {answer.status}")
    return Rejected(f"the provider answered {answer.status}", str(answer.status))
