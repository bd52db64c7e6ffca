"""Ids in paths: an id may have any visible ASCII character, also a slash, percent-encoded as %2F.

ASGI servers decode the path before the routes see it. So a slash of an id is replaced by a character that
no id has, and `{name:id}` in a route's path changes it back.
"""

from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Scope

SLASH_IN_ID = "\ue000"
"""A private-use character: replaces a slash of an id while a request is routed."""


class IdConvertor(Convertor[str]):
    """Converts one path segment to an id."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Return the id of a routed segment."""
        return value.replace(SLASH_IN_ID, "/")

    def to_string(self, value: str) -> str:
        """Return the segment of an id, before percent-encoding."""
        return value.replace("/", SLASH_IN_ID)


def keep_slashes(scope: Scope) -> None:
    """Mark the slashes of ids in the path of a request."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%" in raw:
        segments = raw.decode("latin-1").split("/")
        scope["path"] = "/".join(unquote(each).replace("/", SLASH_IN_ID) for each in segments)


def path_of(scope: Scope) -> str:
    """Return the path of a request as it was sent, percent-encoded, without its query."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


register_url_convertor("id", IdConvertor())
