"""Forms with files, as mail providers post them: `multipart/form-data` (RFC 7578), urlencoded, or one JSON object."""

import re
from collections.abc import Mapping
from email import policy
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from ingest.channels.base import Call, UnreadableCallError
from ingest.channels.fields import json_object
from ingest.channels.mail.mail import bytes_to_text, header_value, storable

MAX_PARTS = 2_000
MULTIPART = "multipart/form-data"


class File(Struct, frozen=True):
    """A file of a form: its name and type as the form names them, and its size in bytes."""

    name: str | None
    content_type: str
    size: int


class Form(Struct, frozen=True):
    """A form: the bytes of its fields by name, and its files by the name of their field."""

    fields: Mapping[str, bytes]
    files: Mapping[str, File]

    def text(self, name: str, charset: str | None = "utf-8") -> str:
        """Return a field as text, or an empty one. Never raises."""
        return storable(bytes_to_text(self.fields.get(name, b""), charset)[0])

    def json(self, name: str) -> Mapping[str, Any]:
        """Return a field that holds a JSON object, or an empty one."""
        try:
            return json_object(self.fields.get(name, b""))
        except UnreadableCallError:
            return {}


def read_form(call: Call) -> Form:
    """Return the form of a call. Raises UnreadableCallError.

    A body without its Content-Type is recognised by its beginning, as recorded calls often lack the header.
    """
    boundary = _boundary(call)
    if boundary is not None:
        return _multipart(call.body, boundary)
    if call.body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        return _object(call.body)
    try:
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS)
    except ValueError:
        raise UnreadableCallError("the body is no form") from None
    if not pairs:
        raise UnreadableCallError("the body is no form")
    return Form({name: value.encode("utf-8", "replace") for name, value in pairs}, {})


def content_type_of(body: bytes, content_type: str) -> str:
    """Return the Content-Type that a form of this body has; the boundary is its first line."""
    first = re.match(rb"--([!-~]{1,70})\r?\n", body)
    if first is None or "boundary=" in content_type:
        return content_type
    return f"{MULTIPART}; boundary={first[1].decode()}"


def _boundary(call: Call) -> bytes | None:
    header = content_type_of(call.body, call.headers.get("content-type", ""))
    found = re.search(r'boundary="?([^";,]{1,200})"?', header, re.IGNORECASE)
    if found is None or "multipart" not in header.lower():
        return None
    return found[1].strip().encode("utf-8", "replace")


def _object(body: bytes) -> Form:
    values = json_object(body.lstrip(b"\xef\xbb\xbf"))
    fields = {name: str(each) for name, each in values.items() if isinstance(each, str | int)}
    return Form({name: each.encode("utf-8", "replace") for name, each in fields.items()}, {})


def _multipart(body: bytes, boundary: bytes) -> Form:
    delimiter = rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?=\r?\n|\Z)"
    pieces = re.split(delimiter, body, maxsplit=MAX_PARTS + 1)
    if len(pieces) < 3 or len(pieces) > MAX_PARTS:
        raise UnreadableCallError("the body is no form with this boundary, or has too many fields")
    fields: dict[str, bytes] = {}
    files: dict[str, File] = {}
    for piece in pieces[1:-1]:
        _read_part(piece, fields, files)
    return Form(fields, files)


def _read_part(piece: bytes, fields: dict[str, bytes], files: dict[str, File]) -> None:
    """Read one part, which begins with the end of its delimiter's line; one without a name is left out."""
    divided = re.match(rb"\r?\n(.*?)\r?\n\r?\n", piece[:65_536], re.DOTALL)
    if divided is None:
        return
    part = BytesParser(policy=policy.compat32).parsebytes(
        divided[1] + b"\r\n\r\n", headersonly=True
    )
    for name in ("content-disposition", "content-type"):
        given = next((value for each, value in part.raw_items() if each.lower() == name), None)
        if given is not None:
            part.replace_header(name, header_value(str(given)))
    content = piece[divided.end() :]
    field = part.get_param("name", header="content-disposition")
    filename = part.get_filename()
    if not isinstance(field, str):
        return
    if filename is None:
        fields[field] = content
    else:
        files[field] = File(storable(filename) or None, part.get_content_type(), len(content))
