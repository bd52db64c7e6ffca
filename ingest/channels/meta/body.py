"""Bodies of Meta's webhooks, taken apart so that a broken item never costs the others.

Every level is decoded on its own from the raw bytes of the level above, so that what cannot be read is kept
exactly as it was sent.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from ingest.channels.base import Inbound, OtherItem, Person, UnreadableCallError, UnreadableItem

MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000}
_LATEST = 253_402_300_799_000_000  # the last second of the year 9999

MAX_DEPTH = 24
"""How deep a part may be nested, so that a payload with it stays below the API's limit. Meta's have about 12."""

_INTEGER_LIMIT = 2**63
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPE = re.compile(
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""A pair of surrogates, a lone one (group 1), or any other escape."""

T = TypeVar("T")

Name = str | int
"""An id. Meta documents strings; older samples and SDKs have numbers."""


class UnreadablePartError(Exception):
    """An item is not what Meta documents. The message has no part of it."""


class _Body(Struct):
    object: str
    entry: list[Raw]


def read_entries(body: bytes, expected: str) -> list[Raw]:
    """Return the entries of a body whose `object` is `expected`. Raises UnreadableCallError."""
    try:
        decoded = _decode_body(body.removeprefix(_BYTE_ORDER_MARK))
    except msgspec.ValidationError:
        raise UnreadableCallError(
            "not a webhook of Meta: `object` and `entry` are missing"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableCallError("the body is not JSON") from None
    except RecursionError:
        raise UnreadableCallError("the body is nested too deeply") from None
    if decoded.object != expected:
        raise UnreadableCallError(f"a webhook of another product: `object` is not {expected}")
    return decoded.entry


def _decode_body(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # A lone surrogate has no UTF-8 form: it becomes U+FFFD, and the message is kept.
        return msgspec.json.decode(_ESCAPE.sub(_without_lone_surrogate, body), type=_Body)


def _without_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape.group(1) else escape.group(0)


def decode(raw: Raw, kind: type[T]) -> T:
    """Return a part as a struct. Raises UnreadablePartError."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise UnreadablePartError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        place = re.search(r"`(\$[\w.\[\]]{0,80})`\Z", str(error))
        where = f" at {place.group(1)}" if place else ""
        raise UnreadablePartError(f"not what Meta documents{where}") from None


def each(parts: Iterable[Raw], read: Callable[[Raw], Iterable[Inbound]]) -> Iterator[Inbound]:
    """Yield the items of every part; a part that `read` cannot read is one UnreadableItem."""
    for part in parts:
        try:
            yield from list(read(part))
        except UnreadablePartError as error:
            yield UnreadableItem(reason=str(error), raw=bytes(part))


def other(
    kind: str,
    part: Raw,
    *,
    provider_id: Name | None = None,
    person: Person | None = None,
    happened_at: int | None = None,
) -> OtherItem:
    """Return what has no type here. Without an id it gets one from its content, so a redelivery has the same."""
    value = decode_tree(part)
    data = value if isinstance(value, dict) else {"value": value}
    content = msgspec.json.encode(value, order="sorted")
    return OtherItem(
        provider_id=str(provider_id or f"{kind}:{hashlib.sha256(content).hexdigest()}"),
        person=person,
        happened_at=happened_at,
        kind=_event_name(kind),
        data=data,
    )


def _event_name(kind: str) -> str:
    """Return a kind in the form that an event's name allows."""
    name = re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")[:32]
    return name if name[:1].isalpha() else f"kind_{name}".rstrip("_")


def microseconds(value: str | int | None, unit: str) -> int | None:
    """Return a provider's time as microseconds since 1970; None if it is no time."""
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        return None
    moment = int(text) * MICROSECONDS[unit]
    return moment if 0 < moment <= _LATEST else None


def rest(fields: dict[str, Any], modelled: frozenset[str]) -> dict[str, Any]:
    """Return the fields of a part that its item does not have."""
    return {key: value for key, value in fields.items() if key not in modelled}


def decode_tree(part: Raw) -> Any:
    """Return a part as a value that an event's payload can hold. Raises UnreadablePartError."""
    return _storable(decode(part, object), MAX_DEPTH)


def decode_fields(part: Raw) -> dict[str, Any]:
    """Return an object as `decode_tree` does. Raises UnreadablePartError."""
    decode(part, dict[str, Raw])
    fields: dict[str, Any] = decode_tree(part)
    return fields


def _storable(value: Any, depth: int) -> Any:
    """Return a value with integers beyond 64 bits as strings; the API takes no larger ones."""
    if isinstance(value, dict | list) and depth == 0:
        raise UnreadablePartError("nested too deeply")
    if isinstance(value, dict):
        return {key: _storable(child, depth - 1) for key, child in value.items()}
    if isinstance(value, list):
        return [_storable(child, depth - 1) for child in value]
    is_big = isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT
    return str(value) if is_big else value
