"""Recorded calls of providers, read from files: JSON, forms, mails, multipart bodies, raw HTTP requests."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MAIL = "message/rfc822"

_REQUEST = re.compile(rb"(GET|POST) (\S+) HTTP/[\d.]+\r?\n")
_BOUNDARY = re.compile(rb"--([^\r\n]{1,70})\r?\n")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RecordedCall(Struct, frozen=True, kw_only=True):
    """A call as it was recorded. `name` says where it is; `query` is that of a raw request."""

    name: str
    body: bytes
    content_type: str
    method: str = "POST"
    query: str = ""


def read_calls(path: Path, is_body: Callable[[RecordedCall], bool]) -> Iterator[RecordedCall]:
    """Yield the calls of a file or of all files in a folder, sorted.

    A JSON object or array whose values are objects is several bodies, unless `is_body` says that it is one.
    """
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for file in files:
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        yield from _split(_read(file.read_bytes(), name), is_body)


def _read(raw: bytes, name: str) -> RecordedCall:
    found = _REQUEST.match(raw)
    if found is None:
        return RecordedCall(name=name, body=raw, content_type=_content_type(raw))
    head, _, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")
    headers = dict(_headers(head))
    return RecordedCall(
        name=name,
        body=body,
        content_type=headers.get("content-type", FORM),
        method=found[1].decode(),
        query=urlsplit(found[2].decode("latin-1")).query,
    )


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode("latin-1").splitlines()[1:]:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()


def _content_type(raw: bytes) -> str:
    """Return the media type by the content: a file's name says little."""
    text = raw.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text[:1] in (b"{", b"["):
        return JSON
    if (boundary := _BOUNDARY.match(text)) is not None:
        return f'multipart/form-data; boundary="{boundary[1].decode("latin-1")}"'
    if _HEADER.match(text) or _BLANK_LINE.search(text):
        return MAIL
    return FORM


def _split(call: RecordedCall, is_body: Callable[[RecordedCall], bool]) -> Iterator[RecordedCall]:
    bodies = _bodies(call.body) if call.content_type == JSON else {}
    if not bodies or is_body(call):
        yield call
        return
    for key, body in bodies.items():
        yield msgspec.structs.replace(call, name=f"{call.name}#{key}", body=body)


def _bodies(body: bytes) -> dict[str, bytes]:
    """Return the values of a JSON object or array, if all of them are objects."""
    try:
        value = msgspec.json.decode(
            body.removeprefix(BYTE_ORDER_MARK), type=dict[str, msgspec.Raw] | list[msgspec.Raw]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    items = value if isinstance(value, dict) else {str(n): each for n, each in enumerate(value)}
    bodies = {name: bytes(each) for name, each in items.items()}
    return bodies if all(each.lstrip()[:1] == b"{" for each in bodies.values()) else {}
