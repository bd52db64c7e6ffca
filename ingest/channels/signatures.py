"""The comparison of what a call proves with what an account expects."""

import hmac
from collections.abc import Iterable

from ingest.channels.base import InvalidSignatureError


def check_equal(given: str, expected: Iterable[str], reason: str) -> None:
    """Raise InvalidSignatureError with a reason unless a text is one of those expected.

    Compares with each of them, in constant time: how long it takes says nothing about them.
    """
    sent = _bytes(given)
    if not any([hmac.compare_digest(sent, _bytes(each)) for each in expected]):  # noqa: C419 (compares all)
        raise InvalidSignatureError(reason)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
