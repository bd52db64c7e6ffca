"""JSON bodies under our own limits: bytes in, a typed value out, or an error with its place.

Bare FastAPI answers 500 to lone surrogates and NaN. This reader answers 4xx and never repeats values
of the input: it names a field by its path.
"""

import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Message, Receive, Scope

from ingest.errors import (
    InvalidRequestError,
    MalformedBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from ingest.events.payloads import ID_PATTERN

MAX_EVENT_BYTES = 256 * 1024
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_IDEMPOTENCY_KEY_BYTES = 255
MAX_BATCH_EVENTS = 10_000
MAX_DEPTH = 32
INTEGER_LIMIT = 2**63
JSON_TYPES = ("application/json", "", "application/x-www-form-urlencoded", "text/plain")
"""Media types of a JSON body. Clients such as curl send the last three unless they are told otherwise."""
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_TREES = ("payload", "attributes", "session_attributes")
"""Fields with free content."""

NOT_AN_ID = "an id has 1 to 512 visible ASCII characters, and the first is not a dot"

T = TypeVar("T")

_PLACE = re.compile(r" - at `(\$[^`]*)`$")
_FIELD = re.compile(r"unknown field `([A-Za-z_][A-Za-z0-9_-]{0,63})`\Z")
_OURS = ("Expected ", "Object missing required field", "Invalid RFC3339", "Number out of range")


def header(request: HTTPConnection, name: bytes) -> str:
    """Return the value of a header, "" if it was not sent. `name` is in lower case."""
    headers: dict[bytes, bytes] | None = request.scope.get("convolake.headers")
    if headers is None:
        headers = request.scope["convolake.headers"] = dict(request.scope["headers"])
    return headers.get(name, b"").decode("latin-1")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the request's body, at most `limit` bytes. Raises TooLargeError, UnsupportedMediaTypeError."""
    if header(request, b"content-encoding") not in ("", "identity"):
        raise UnsupportedMediaTypeError("send the body without Content-Encoding")
    return await receive_body(request, limit)


async def receive_body(request: Request, limit: int) -> bytes:
    """Return the request's body as it was sent, at most `limit` bytes. Raises TooLargeError."""
    length = header(request, b"content-length")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        raise TooLargeError(f"at most {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLargeError(f"at most {limit} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


def limit_body(receive: Receive) -> Receive:
    """Return a `receive` for routes that read the whole body; it raises TooLargeError beyond the limit."""
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BATCH_BYTES:
            raise TooLargeError(f"at most {MAX_BATCH_BYTES} bytes")
        return message

    return counting


def media_type(request: HTTPConnection) -> str:
    """Return the body's media type, lower case, without parameters."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


def require_json(request: HTTPConnection) -> None:
    """Raise UnsupportedMediaTypeError if the body is declared as another type than JSON."""
    if media_type(request) not in JSON_TYPES:
        raise UnsupportedMediaTypeError("send the body as application/json")


def declare_json(scope: Scope) -> None:
    """Declare a body of one of JSON_TYPES as JSON, for routes that trust the header.

    Raises UnsupportedMediaTypeError.
    """
    require_json(HTTPConnection(scope))
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]
    scope.pop("convolake.headers")


BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def decode(body: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[T]") -> T:
    """Return `body` as the decoder's type. Raises InvalidRequestError with the place of the fault."""
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(*_explain(str(error))) from None
    except msgspec.DecodeError:
        raise MalformedBodyError(
            "not JSON (RFC 8259): no NaN, no lone surrogate, nothing cut off"
        ) from None
    except UnicodeDecodeError:
        raise MalformedBodyError("not UTF-8") from None
    except RecursionError:
        raise InvalidRequestError(f"nested deeper than {MAX_DEPTH}") from None
    kind: type = type(value)
    for name in _tree_fields(kind):
        tree = getattr(value, name)
        if tree is not None:
            _check_tree(tree, 2, f"$.{name}")
    for number, each in enumerate(getattr(value, "participants", ())):
        _check_tree(each.attributes, 4, f"$.participants[{number}].attributes")
    return value


@lru_cache
def _tree_fields(kind: type) -> tuple[str, ...]:
    """Return those of `_TREES` that a body of this type has."""
    return tuple(name for name in _TREES if name in getattr(kind, "__struct_fields__", ()))


def _explain(message: str) -> tuple[str, str]:
    found = _PLACE.search(message)
    place = found.group(1) if found else "$"
    text = _PLACE.sub("", message)
    if text.startswith("Object contains unknown field"):
        name = _unknown_field(text)
        where = place if name is None else f"{place}.{name}"
        return "a field that this object does not have; the API page lists those it has", where
    if text.startswith("Object missing required field"):
        return text.replace("`", ""), f"{place}.{text.split('`')[1]}"
    if ID_PATTERN.encode("unicode_escape").decode() in text or ID_PATTERN in text:
        return NOT_AN_ID, place
    if not text.startswith(_OURS):
        return "not one of the values allowed here; the API page lists them", place
    return text.replace("`", ""), place


def _unknown_field(message: str) -> str | None:
    """Return the name of an unknown field if it looks like a name; never other input."""
    found = _FIELD.search(message)
    return None if found is None else found.group(1)


def _check_tree(value: Any, depth: int, place: str) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            raise InvalidRequestError("an integer beyond 64 bits; send it as a string", place)
        return
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise InvalidRequestError(f"nested deeper than {MAX_DEPTH}", place)
        for child in value.values() if isinstance(value, dict) else value:
            _check_tree(child, depth + 1, place)


def split_batch(body: bytes, content_type: str) -> list[Any]:
    """Return the events of a batch, undecoded: lines of NDJSON or elements of a JSON array.

    Raises MalformedBodyError, TooLargeError, UnsupportedMediaTypeError.
    """
    if content_type in NDJSON_TYPES:
        events: list[Any] = [line for line in body.split(b"\n") if line.strip()]
    elif content_type in JSON_TYPES:
        events = decode(body, _ARRAY)
    else:
        raise UnsupportedMediaTypeError("send application/json or application/x-ndjson")
    if len(events) > MAX_BATCH_EVENTS:
        raise TooLargeError(f"at most {MAX_BATCH_EVENTS} events at once")
    return events


_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def decode_event(event: Any, decoder: "msgspec.json.Decoder[T]") -> T:
    """Return one event of a batch. Raises InvalidRequestError or a subclass."""
    if len(bytes(event)) > MAX_EVENT_BYTES:
        raise TooLargeError(f"at most {MAX_EVENT_BYTES} bytes an event")
    return decode(event, decoder)
