"""Ids of other systems as ids of the log. Pure."""

import hashlib
from urllib.parse import quote

MAX_ID = 200
_SAFE = "!#$&'()*+,/:;=?@[]~"


def to_id(text: str) -> str:
    """Return an id that the log accepts: unsafe characters percent-encoded, a long one hashed."""
    safe = quote(text, safe=_SAFE, errors="replace")
    if len(safe) > MAX_ID:
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe or "%20"
