"""Rules for HTTP answers that hold for every provider's API."""

from typing import Any

import msgspec

from ingest.channels.base import Answer, Interpretation, Rejected, Retry, Unknown

MAX_WAIT = 3600
"""Longest wait in seconds that a provider is granted."""


def retry_after(value: object) -> int | None:
    """Return the seconds of a `Retry-After` header or field, at most an hour; None if it has no whole number."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 10:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, MAX_WAIT)
    return None


def json_object(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, `{}` if it is something else."""
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def by_status(answer: Answer) -> Interpretation:
    """Return what the status alone says, for an answer whose body says nothing.

    429 and 503 come before the request is processed. Other errors of a server or a gateway may come after it.
    """
    status = answer.status
    if status in (429, 503):
        return Retry(f"HTTP {status}", retry_after(answer.headers.get("retry-after")))
    if 400 <= status < 500 and status != 408:
        return Rejected(f"HTTP {status}", str(status))
    return Unknown(f"HTTP {status} without a readable answer")
