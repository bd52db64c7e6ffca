"""JSON of providers: typed where an adapter knows the fields, bounded where it does not.

An object can be read as raw fields first, so that one unreadable item does not cost the others of its call.
"""

from typing import Any, TypeVar

import msgspec

from ingest.channels.base import UnreadableCallError
from ingest.events.validation import explain

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

MAX_DEPTH = 32
INTEGER_LIMIT = 2**63

T = TypeVar("T")


def decode(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return JSON as a typed value. Raises UnreadableCallError, whose message has no part of `raw`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        detail, place = explain(error)
        raise UnreadableCallError(f"{detail} at {place}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableCallError("not valid JSON in UTF-8") from None
    except RecursionError:
        raise UnreadableCallError("nested too deeply") from None


def decode_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object, undecoded. A byte order mark before it is skipped.

    Raises UnreadableCallError.
    """
    return decode(body.removeprefix(BYTE_ORDER_MARK), dict[str, msgspec.Raw])


def decode_tree(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """Return a JSON object of unknown fields that a payload can hold.

    Raises UnreadableCallError if it has more than 32 levels, or an integer beyond 64 bits.
    """
    tree = decode(raw, dict[str, Any])
    _check(tree, MAX_DEPTH)
    return tree


def _check(value: object, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise UnreadableCallError("nested too deeply")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, levels - 1)
    elif isinstance(value, int) and not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise UnreadableCallError("an integer is beyond 64 bits")
