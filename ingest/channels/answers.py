"""What most HTTP APIs of providers mean with their answers."""

from ingest.channels.base import (
    Answer,
    Interpretation,
    Rejected,
    Retry,
    Unknown,
    UnreadableCallError,
)
from ingest.channels.fields import Fields, json_object

_RETRIED = {
    401: "the credentials are not accepted",
    402: "the account has no credit",
    408: "the request took too long",
    425: "it is too early",
    429: "there are too many requests",
}
"""Statuses after which the provider has not taken the message, and which a person or time can repair."""

_MAX_RETRY_AFTER = 86_400


def answer_fields(answer: Answer) -> Fields:
    """Return the JSON object of an answer, empty if there is none."""
    try:
        return json_object(answer.body)
    except UnreadableCallError:
        return {}


def is_success(answer: Answer) -> bool:
    """Return whether the provider took the request."""
    return 200 <= answer.status < 300


def failure(
    answer: Answer, code: str | None, *, is_temporary: bool = False, is_idempotent: bool = False
) -> Interpretation:
    """Return what an answer other than success means.

    `is_temporary`: the provider's code says that another attempt may succeed. `is_idempotent`: a repeated
    request sends nothing twice, so an error of the provider's server is repeated. Otherwise it is Unknown:
    the message may be on its way. The reason has no text of the answer, which may name the customer.
    """
    reason = _RETRIED.get(answer.status)
    if reason is not None or is_temporary:
        return Retry(reason or f"the provider asks to wait, code {code}", retry_after(answer))
    if answer.status >= 500:
        server = f"the provider's server failed with status {answer.status}"
        return Retry(server, retry_after(answer)) if is_idempotent else Unknown(server)
    return Rejected(f"the provider rejected the message with status {answer.status}", code)


def retry_after(answer: Answer) -> int | None:
    """Return the seconds that the header Retry-After asks for, at most a day. A date is not read."""
    text = answer.headers.get("retry-after", "")
    if not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:9]), _MAX_RETRY_AFTER)
