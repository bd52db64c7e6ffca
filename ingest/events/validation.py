"""Explains a msgspec validation error without repeating the input."""

import re

import msgspec

_PLACE = re.compile(r" - at `\$([^`]*)`$")
_SAFE_PREFIXES = (
    "Expected ",
    "Object missing required field",
    "Invalid RFC3339",
    "Number out of range",
)
"""Messages of msgspec that name types and our own field names, never a value of the request."""


def explain(error: msgspec.ValidationError, root: str = "$") -> tuple[str, str]:
    """Return a detail for the client, and the place of the error as a path from `root`."""
    message = str(error)
    found = _PLACE.search(message)
    place = root + (found.group(1) if found else "")
    text = _PLACE.sub("", message)
    if text.startswith("Object contains unknown field"):
        return "a field that this object does not have; the API page lists those it has", place
    if text.startswith("Object missing required field"):
        return text.replace("`", ""), f"{place}.{text.split('`')[1]}"
    if not text.startswith(_SAFE_PREFIXES):
        return "not one of the values allowed here; the API page lists them", place
    return text.replace("`", ""), place
